// SPDX-License-Identifier: Apache-2.0
// The small float formats against a formulation in double that shares nothing with kernels/floats.h: a value is a
// multiple of a quantum, and rounding is rint of the quotient.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kernels/floats.h"

// A binary format: `precision` significant bits, smallest normal 2^min_exponent, largest finite value `largest`.
typedef struct binary_format {
    int precision;
    int min_exponent;
    double largest;
} binary_format;

static const binary_format F16 = {11, -14, 65504.0};
static const binary_format BF16 = {8, -126, 0x1.fep127};
static const binary_format E4M3 = {4, -6, 448.0};

// Round to nearest, ties to even; values beyond `largest` come back unlimited.
static double round_to(binary_format format, double x)
{
    if (x == 0 || !isfinite(x))
        return x;
    int exponent;
    frexp(x, &exponent); // |x| in [2^(exponent-1), 2^exponent)
    int top = exponent - 1 < format.min_exponent ? format.min_exponent : exponent - 1;
    double quantum = ldexp(1.0, top - (format.precision - 1));
    return rint(x / quantum) * quantum;
}

// Value of sign/exponent/mantissa fields with `n_mantissa` bits and the given bias, all exponents finite.
static double field_value(unsigned sign, unsigned exponent, unsigned mantissa, int n_mantissa, int bias)
{
    double magnitude = exponent == 0 ? ldexp(mantissa, 1 - bias - n_mantissa)
                                     : ldexp(1.0 + ldexp(mantissa, -n_mantissa), (int)exponent - bias);
    return sign ? -magnitude : magnitude;
}

static void assert_same_float(float actual, double expected)
{
    float wanted = (float)expected;
    if (nb_f32_bits(actual) != nb_f32_bits(wanted) || (double)wanted != expected)
        fail_msg("expected %a, found %a", expected, (double)actual);
}

static void f16_decodes_every_code(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 65536; code++) {
        unsigned sign = code >> 15, exponent = code >> 10 & 31, mantissa = code & 1023;
        float x = nb_f16_decode((uint16_t)code);
        if (exponent == 31 && mantissa)
            assert_true(isnan(x));
        else if (exponent == 31)
            assert_same_float(x, sign ? -INFINITY : INFINITY);
        else
            assert_same_float(x, field_value(sign, exponent, mantissa, 10, 15));
    }
}

static void bf16_decodes_every_code(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 65536; code++) {
        unsigned sign = code >> 15, exponent = code >> 7 & 255, mantissa = code & 127;
        float x = nb_bf16_decode((uint16_t)code);
        if (exponent == 255 && mantissa)
            assert_true(isnan(x));
        else if (exponent == 255)
            assert_same_float(x, sign ? -INFINITY : INFINITY);
        else
            assert_same_float(x, field_value(sign, exponent, mantissa, 7, 127));
    }
}

static void both_halves_survive_a_round_trip(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 65536; code++) {
        float half = nb_f16_decode((uint16_t)code), brain = nb_bf16_decode((uint16_t)code);
        if (isnan(half))
            assert_true(isnan(nb_f16_decode(nb_f16_encode(half))));
        else
            assert_int_equal(nb_f16_encode(half), code);
        if (isnan(brain))
            assert_true(isnan(nb_bf16_decode(nb_bf16_encode(brain))));
        else
            assert_int_equal(nb_bf16_encode(brain), code);
    }
}

static double overflow_to_infinity(binary_format format, double rounded)
{
    return fabs(rounded) > format.largest ? copysign(INFINITY, rounded) : rounded;
}

static void check_halves(float x)
{
    assert_same_float(nb_f16_decode(nb_f16_encode(x)), overflow_to_infinity(F16, round_to(F16, x)));
    assert_same_float(nb_bf16_decode(nb_bf16_encode(x)), overflow_to_infinity(BF16, round_to(BF16, x)));
}

// The midpoint between two neighbouring values of a format, and the floats on both sides of it.
static void check_around(double low, double high, void (*check)(float))
{
    float middle = (float)((low + high) / 2);
    check(middle);
    check(nextafterf(middle, -INFINITY));
    check(nextafterf(middle, INFINITY));
}

static void halves_round_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned sign = 0; sign < 2; sign++) {
        for (unsigned code = 0; code < 0x7bff; code++)
            check_around(field_value(sign, code >> 10, code & 1023, 10, 15),
                         field_value(sign, (code + 1) >> 10, (code + 1) & 1023, 10, 15), check_halves);
        for (unsigned code = 0; code < 0x7f7f; code++)
            check_around(field_value(sign, code >> 7, code & 127, 7, 127),
                         field_value(sign, (code + 1) >> 7, (code + 1) & 127, 7, 127), check_halves);
    }
    check_halves(65519.996f); // last value below the bound to infinity, and the bound
    check_halves(65520.0f);
    check_halves(0x1.fffffep127f);
    check_halves(-INFINITY);
}

static void halves_round_any_float(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 4099) { // a prime step: every exponent, all low bits
        float x = nb_f32_from_bits((uint32_t)bits);
        if (isnan(x)) {
            assert_true(isnan(nb_f16_decode(nb_f16_encode(x))));
            assert_true(isnan(nb_bf16_decode(nb_bf16_encode(x))));
        } else {
            check_halves(x);
        }
    }
    // A NaN whose payload lies in the dropped bits alone must not become infinity.
    assert_true(isnan(nb_bf16_decode(nb_bf16_encode(nb_f32_from_bits(0x7f800001)))));
    assert_true(isnan(nb_f16_decode(nb_f16_encode(nb_f32_from_bits(0xff800001)))));
}

static void e4m3_decodes_every_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        float x = nb_e4m3_decode((uint8_t)byte);
        if ((byte & 0x7f) == 0x7f)
            assert_true(isnan(x));
        else
            assert_same_float(x, field_value(byte >> 7, byte >> 3 & 15, byte & 7, 3, 7));
    }
}

static void check_e4m3(float x)
{
    double expected = round_to(E4M3, x);
    assert_same_float(nb_e4m3_decode(nb_e4m3_encode(x)), expected > E4M3.largest ? E4M3.largest : expected);
}

static void e4m3_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 0x7e; byte++) {
        assert_int_equal(nb_e4m3_encode(nb_e4m3_decode((uint8_t)byte)), byte);
        check_around(field_value(0, byte >> 3, byte & 7, 3, 7), field_value(0, (byte + 1) >> 3, (byte + 1) & 7, 3, 7),
                     check_e4m3);
    }
    assert_int_equal(nb_e4m3_encode(0x1p-10f), 0);     // tie between 0 and the smallest denormal
    assert_int_equal(nb_e4m3_encode(0x1.8p-9f), 2);    // tie between 1 and 2 quanta
    assert_int_equal(nb_e4m3_encode(0x1.fp-7f), 0x08); // tie across the border to the normals
    const float saturated[] = {447.9f, 448.0f, 463.9f, 464.0f, 480.0f, 1e30f, INFINITY};
    for (size_t i = 0; i < NB_COUNT(saturated); i++)
        assert_int_equal(nb_e4m3_encode(saturated[i]), 0x7e);
    for (uint64_t bits = 0; bits <= 0x7f800000; bits += 4099) // every non-negative float range
        check_e4m3(nb_f32_from_bits((uint32_t)bits));
}

static void e8m0_is_a_power_of_two(void **state)
{
    (void)state;
    for (int byte = 0; byte < 255; byte++) {
        float power = nb_e8m0_decode((uint8_t)byte);
        assert_same_float(power, ldexp(1.0, byte - 127));
        assert_int_equal(nb_e8m0_encode_up(power), byte);
        if (byte < 254) // anything above a power belongs to the next one
            assert_int_equal(nb_e8m0_encode_up(nextafterf(power, INFINITY)), byte + 1);
    }
    assert_true(isnan(nb_e8m0_decode(255)));
    assert_int_equal(nb_e8m0_encode_up(nb_f32_from_bits(1)), 0); // the smallest denormal
    assert_int_equal(nb_e8m0_encode_up(0x1.fffffep127f), 254);   // no 2^128: saturated
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_decodes_every_code),           cmocka_unit_test(bf16_decodes_every_code),
        cmocka_unit_test(both_halves_survive_a_round_trip), cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(halves_round_any_float),           cmocka_unit_test(e4m3_decodes_every_byte),
        cmocka_unit_test(e4m3_rounds_to_nearest_even),      cmocka_unit_test(e8m0_is_a_power_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
