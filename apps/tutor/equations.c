// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/equations.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "apps/tutor/exact.h"

enum { MAX_UNIT_WORDS = 4, MAX_QUANTITIES = 32 };

// ---- words ----------------------------------------------------------------------------------------------------------

typedef enum token {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_OPERATOR,
    TOKEN_EQUALS,
    TOKEN_WORD,
    TOKEN_STOP,  // punctuation: what follows is begun anew
    TOKEN_OTHER, // what this grammar does not know: what stands beside it is not judged
} token;

typedef struct lexer {
    const char *begin, *at, *end;
    nb_span span; // of the token
    char op;
} lexer;

static bool is_letter(char c)
{
    return isalpha((unsigned char)c);
}

static char peek(const lexer *in, size_t offset)
{
    return (size_t)(in->end - in->at) > offset ? in->at[offset] : '\0';
}

static char before(const lexer *in)
{
    return in->at > in->begin ? in->at[-1] : ' ';
}

static token take(lexer *in, size_t bytes, token kind)
{
    in->span = (nb_span){in->at, bytes};
    in->at += bytes;
    return kind;
}

// An x between two numbers multiplies.
static bool is_cross(const lexer *in)
{
    size_t n = 1;
    while (peek(in, n) == ' ')
        n++;
    char next = peek(in, n);
    return peek(in, 0) == 'x' && (isdigit((unsigned char)next) || next == '$') && !(n == 1 && is_letter(before(in)));
}

// The signs of a step (a letter x never comes here), and the dash that stands for a minus in prose.
static token take_operator(lexer *in)
{
    static const char dash[] = "–";
    size_t left = (size_t)(in->end - in->at), n = nb_operator_take(in->at, left, &in->op);
    if (n == 0 && left >= strlen(dash) && memcmp(in->at, dash, strlen(dash)) == 0) {
        in->op = '-';
        n = strlen(dash);
    }
    return n ? take(in, n, TOKEN_OPERATOR) : TOKEN_END;
}

static token take_equals(lexer *in)
{
    bool is_alone = !strchr("=<>!:~", before(in)) && (!strchr("=<>~", peek(in, 1)) || !peek(in, 1));
    return take(in, 1, is_alone ? TOKEN_EQUALS : TOKEN_OTHER);
}

// Words and what hangs together with them: "hour's", "well-known".
static token take_word(lexer *in)
{
    size_t n = 0;
    while (is_letter(peek(in, n)) || (n && strchr("'-", peek(in, n)) && peek(in, n) && is_letter(peek(in, n + 1))))
        n++;
    return take(in, n, isdigit((unsigned char)peek(in, n)) ? TOKEN_OTHER : TOKEN_WORD);
}

static token take_punctuation(lexer *in)
{
    char c = peek(in, 0), next = peek(in, 1);
    if (c == ':' && isdigit((unsigned char)before(in)) && isdigit((unsigned char)next)) // 2:30, 3:4
        return take(in, 1, TOKEN_OTHER);
    if (c == '.' && (isdigit((unsigned char)next) || next == '.')) // .5, 1.2.3, 8.333...
        return take(in, 1, TOKEN_OTHER);
    if (c == ',' && isdigit((unsigned char)next)) // 1,25
        return take(in, 1, TOKEN_OTHER);
    return take(in, 1, c && strchr(".,;:!?\"'", c) ? TOKEN_STOP : TOKEN_OTHER);
}

// The next token; a minus sign belongs to the number when `wants_number`.
static token next_token(lexer *in, bool wants_number)
{
    nb_span number;
    while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at)
        in->at++;
    if (in->at == in->end)
        return TOKEN_END;
    bool is_signed = *in->at == '-' || (in->end - in->at >= 3 && memcmp(in->at, "−", 3) == 0);
    if ((!is_signed || wants_number) && nb_number_take(in->at, (size_t)(in->end - in->at), &number))
        return take(in, number.bytes, TOKEN_NUMBER);
    if (is_cross(in)) {
        in->op = '*';
        return take(in, 1, TOKEN_OPERATOR);
    }
    // "$15/hour": the second half of a unit.
    if (*in->at == '/' && is_letter(peek(in, 1)))
        in->at++;
    if (is_letter(peek(in, 0)))
        return take_word(in);
    if (*in->at == '=')
        return take_equals(in);
    token found = take_operator(in);
    return found == TOKEN_END ? take_punctuation(in) : found;
}

// ---- expressions ----------------------------------------------------------------------------------------------------

typedef struct expression {
    mpq_t sum, term, first; // the terms that are complete, the running one, the first quantity
    const char *begin;      // of the first number
    nb_span last;           // number
    nb_span unit;           // the first one seen
    size_t n, n_words;      // quantities; words behind the last one
    bool is_odd;            // cannot be judged
    unsigned n_quotients;
    bool has_sum, has_percent, has_units; // has_units: of more than one kind
} expression;

static void clear(expression *e)
{
    mpq_set_ui(e->sum, 0, 1);
    mpq_set_ui(e->term, 0, 1);
    e->last = e->unit = (nb_span){NULL, 0};
    e->n = e->n_words = e->n_quotients = 0;
    e->is_odd = e->has_sum = e->has_percent = e->has_units = false;
}

static size_t singular(nb_span unit)
{
    return unit.bytes > 1 && unit.text[unit.bytes - 1] == 's' ? unit.bytes - 1 : unit.bytes;
}

static bool is_other_unit(nb_span left, nb_span right)
{
    return left.text && right.text &&
           (singular(left) != singular(right) || strncasecmp(left.text, right.text, singular(left)) != 0);
}

static void add_unit(expression *e, nb_span unit)
{
    e->has_units |= is_other_unit(e->unit, unit);
    if (!e->unit.text)
        e->unit = unit;
}

static void add_quantity(expression *e, char op, nb_span number)
{
    mpq_t value;
    mpq_init(value);
    if (!nb_number_value(number, value) || e->n >= MAX_QUANTITIES)
        e->is_odd = true;
    else if (e->n == 0) {
        mpq_set(e->term, value);
        mpq_set(e->first, value);
    } else if (op == '*' || op == '/') {
        e->is_odd |= !nb_numbers_apply(e->term, op, value);
    } else {
        mpq_add(e->sum, e->sum, e->term);
        mpq_set(e->term, value);
        if (op == '-')
            mpq_neg(e->term, e->term);
    }
    mpq_clear(value);
    if (e->n++ == 0)
        e->begin = number.text;
    e->n_words = 0;
    e->last = number;
    e->has_sum |= op == '+' || op == '-';
    bool is_fraction = memchr(number.text, '/', number.bytes), is_percent = number.text[number.bytes - 1] == '%';
    e->n_quotients += (op == '/') + is_fraction;
    e->has_percent |= is_percent;
    // "1/2%" can be meant in two ways; "0900" is a time.
    bool has_zero = number.bytes > 1 && number.text[0] == '0' && isdigit((unsigned char)number.text[1]);
    e->is_odd |= (is_fraction && is_percent) || has_zero;
    const char *dollar = memchr(number.text, '$', number.bytes);
    if (dollar)
        add_unit(e, (nb_span){dollar, 1});
}

// ---- links ----------------------------------------------------------------------------------------------------------

static bool is_times(const mpq_t left, unsigned factor, const mpq_t right)
{
    mpq_t product;
    mpq_init(product);
    mpq_set_ui(product, factor, 1);
    mpq_mul(product, product, right);
    bool is_so = mpq_equal(left, product);
    mpq_clear(product);
    return is_so;
}

// Whether one is a whole measure of the other: hours and minutes, dollars and cents.
static bool is_converted(const mpq_t left, const mpq_t right)
{
    static const unsigned measures[] = {2, 3, 4, 7, 10, 12, 16, 24, 30, 36, 52, 60, 100, 365, 1000, 3600};
    for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++)
        if (is_times(left, measures[i], right) || is_times(right, measures[i], left))
            return true;
    return false;
}

// Whether value * factor / divisor is `rounded`, the value of the number `written`, but for its last place.
static bool is_near(const mpq_t value, unsigned factor, unsigned divisor, nb_span written, const mpq_t rounded)
{
    const char *point = memchr(written.text, '.', written.bytes);
    size_t n_places = 0;
    for (const char *c = point; c && c < written.text + written.bytes; c++)
        n_places += isdigit((unsigned char)*c) != 0;
    mpq_t difference, place;
    mpq_inits(difference, place, NULL);
    mpq_set_ui(place, 1, 1);
    mpz_ui_pow_ui(mpq_denref(place), 10, n_places + (written.text[written.bytes - 1] == '%' ? 2 : 0));
    mpq_set_ui(difference, factor, divisor);
    mpq_mul(difference, difference, value);
    mpq_sub(difference, difference, rounded);
    mpq_abs(difference, difference);
    bool is_so = mpq_cmp(difference, place) < 0;
    mpq_clears(difference, place, NULL);
    return is_so;
}

// Left and right, of these values, differ: is it sure that nobody means this as right?
static bool is_surely_wrong(const expression *left, const expression *right, const mpq_t l, const mpq_t r)
{
    bool has_percent = left->has_percent || right->has_percent;
    if (right->n > 1 && mpq_equal(l, right->first)) // the running style
        return false;
    if (left->has_units || right->has_units || is_other_unit(left->unit, right->unit))
        if (left->has_sum || right->has_sum || is_converted(l, r))
            return false;
    if (left->n_quotients > 1 || right->n_quotients > 1) // "14 / 1 / 4"
        return false;
    if (has_percent && (is_times(l, 100, r) || is_times(r, 100, l)))
        return false;
    bool is_inexact = (left->n_quotients || has_percent) && right->n == 1;
    if (!is_inexact)
        return true;
    if (has_percent && (is_near(l, 100, 1, right->last, r) || is_near(l, 1, 100, right->last, r)))
        return false;
    return !is_near(l, 1, 1, right->last, r);
}

static nb_step_verdict judge(const expression *left, const expression *right)
{
    bool is_label = left->n == 1 && (left->n_quotients == 0 || left->n_words > 0); // "8 batches = 5.5 * 8"
    size_t n_operations = left->n + right->n + left->n_quotients + right->n_quotients;
    if (left->is_odd || right->is_odd || left->n == 0 || right->n == 0 || n_operations < 3)
        return NB_STEP_UNCHECKABLE;
    mpq_t l, r;
    mpq_inits(l, r, NULL);
    mpq_add(l, left->sum, left->term);
    mpq_add(r, right->sum, right->term);
    nb_step_verdict verdict = mpq_equal(l, r)                                   ? NB_STEP_RIGHT
                              : !is_label && is_surely_wrong(left, right, l, r) ? NB_STEP_WRONG
                                                                                : NB_STEP_UNCHECKABLE;
    mpq_clears(l, r, NULL);
    return verdict;
}

// ---- a line ---------------------------------------------------------------------------------------------------------

typedef struct scan {
    lexer in;
    expression now, left; // the running expression; the one before the last "=" while its right side is open
    bool is_right_side;   // `now` began right behind an "="
    bool wants_number;    // behind an operator or "="
    bool is_and;          // the last word was "and" behind a number
    bool is_odd_next;     // an expression that begins here has something before it that belongs to it
    char op;
    nb_equations *found;
} scan;

static void close_link(scan *s)
{
    if (!s->is_right_side)
        return;
    s->is_right_side = false;
    s->now.is_odd |= s->wants_number;
    nb_step_verdict verdict = judge(&s->left, &s->now);
    s->found->n_right += verdict == NB_STEP_RIGHT;
    s->found->n_wrong += verdict == NB_STEP_WRONG;
    s->found->n_unchecked += verdict == NB_STEP_UNCHECKABLE;
    if (verdict != NB_STEP_UNCHECKABLE)
        s->found->result = s->now.last;
    if (verdict == NB_STEP_WRONG && !s->found->wrong.text)
        s->found->wrong = (nb_span){s->left.begin, (size_t)(s->now.last.text - s->left.begin) + s->now.last.bytes};
}

// The running expression is over; what is `odd` hangs together with it and with what follows.
static void end_expression(scan *s, bool is_odd)
{
    s->is_odd_next = is_odd || (s->wants_number && s->now.n > 0);
    s->now.is_odd |= is_odd;
    close_link(s);
    clear(&s->now);
    s->wants_number = false;
}

static void take_number(scan *s)
{
    const char *at = s->in.span.text;
    size_t n_before = (size_t)(at - s->in.begin);
    char previous = n_before ? at[-1] : ' ';
    bool is_glued = isalnum((unsigned char)previous) || strchr("_.)", previous);
    is_glued |= n_before > 2 && previous == ' ' && at[-2] == ',' && isdigit((unsigned char)at[-3]); // "14, 400"
    // "20 and 3 + 4" is two things, "1 and 1/4" one.
    bool is_odd = s->is_odd_next && !(s->is_and && !memchr(at, '/', s->in.span.bytes));
    s->is_odd_next = false;
    if (!s->wants_number && s->now.n > 0)
        end_expression(s, s->now.n_words == 0 || (is_odd && s->now.n_words == 1)); // "2 1/2", "20% of 50"
    s->now.is_odd |= is_glued || (s->now.n == 0 && (is_odd || s->is_odd_next));
    s->is_odd_next = false;
    add_quantity(&s->now, s->now.n ? s->op : 0, s->in.span);
    s->wants_number = false;
}

static void take_sign(scan *s)
{
    if (s->now.n == 0 || s->wants_number || s->now.n_words > MAX_UNIT_WORDS) {
        end_expression(s, true);
        return;
    }
    s->op = s->in.op;
    s->wants_number = true;
}

static void take_equals_sign(scan *s)
{
    expression now = s->now;
    now.is_odd |= s->wants_number || now.n_words > MAX_UNIT_WORDS;
    s->now.is_odd |= s->wants_number;
    close_link(s);
    s->now = s->left; // for its memory
    s->left = now;
    clear(&s->now);
    s->is_right_side = s->wants_number = true;
    s->is_odd_next = false;
}

static bool is_among(nb_span word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(words[i]) == singular(word) && strncasecmp(words[i], word.text, singular(word)) == 0)
            return true;
    return false;
}

// Words that compute with the number behind them, and words that it only names ("day 2").
static bool binds_next(nb_span word)
{
    static const char *const words[] = {
        "time",   "plu",  "minu",  "over",  "by",     "divided", "than",    "per",      "twice", "double",
        "triple", "half", "root",  "third", "fourth", "fifth",   "quarter", "halve",    "day",   "week",
        "month",  "year", "step",  "part",  "page",   "chapter", "problem", "question", "game",  "test",
        "room",   "team", "grade", "level", "case",   "class",   "box",     "number",   "figure"};
    return is_among(word, words, sizeof words / sizeof words[0]);
}

// Words that change the number before them: "3 dozen", "2 squared".
static bool binds_last(nb_span word)
{
    static const char *const words[] = {"dozen", "hundred", "thousand", "million", "billion", "squared", "cubed",
                                        "third", "fourth",  "fifth",    "half",    "halve",   "quarter", "percent"};
    return is_among(word, words, sizeof words / sizeof words[0]);
}

// Words that link a number with the one before: "20% of 50", "2 and 1/2".
static bool joins(nb_span word)
{
    static const char *const words[] = {"of", "and"};
    return is_among(word, words, sizeof words / sizeof words[0]);
}

// Words that are no unit: what stood before them is over.
static bool is_break(nb_span word)
{
    static const char *const words[] = {"because", "so",        "then", "since", "but",   "or",    "that",
                                        "i",       "are",       "wa",   "were",  "hence", "which", "who",
                                        "thu",     "therefore", "if",   "when",  "while"};
    return is_among(word, words, sizeof words / sizeof words[0]);
}

static void take_name(scan *s)
{
    nb_span word = s->in.span;
    bool is_attached = word.text > s->in.begin && isdigit((unsigned char)word.text[-1]);
    // "2y", "5k", "3rd"; "x"
    bool is_variable = is_attached ? word.bytes < 3 : word.bytes == 1 && !strchr("aAI", word.text[0]);
    bool is_broken = s->wants_number && s->now.n > 0;
    bool is_joint = joins(word) && (s->is_odd_next || (s->now.n > 0 && s->now.n_words == 0));
    if (is_broken || (s->now.n == 0 && s->is_right_side)) {
        end_expression(s, true); // "= x", "5 - so"
    } else if (s->now.n > 0 && is_break(word)) {
        end_expression(s, false);
    } else if (s->now.n > 0) {
        s->now.is_odd |= is_variable || (s->now.n_words == 0 && binds_last(word));
        if (s->now.n_words++ == 0 && !is_joint)
            add_unit(&s->now, word);
    }
    s->is_and = is_joint && word.bytes == strlen("and");
    s->is_odd_next = is_broken || is_variable || is_joint || binds_next(word);
}

static void take_other(scan *s, token kind)
{
    char c = s->in.span.text[0], previous = s->in.span.text > s->in.begin ? s->in.span.text[-1] : ' ';
    // A closing parenthesis behind an expression, and an opening one before it, do not change it.
    bool is_stop = kind == TOKEN_STOP || ((c == ')' || c == ']') && !s->is_right_side) ||
                   (c == '(' && !s->wants_number && (s->now.n == 0 || previous == ' ')) || (c == ')' && s->now.n > 0);
    bool was_odd = s->is_odd_next && s->now.n == 0 && c == '(';
    end_expression(s, !is_stop);
    s->is_odd_next |= was_odd || c == ')';
}

static void take_token(scan *s, token kind)
{
    if (kind == TOKEN_NUMBER)
        take_number(s);
    else if (kind == TOKEN_OPERATOR)
        take_sign(s);
    else if (kind == TOKEN_EQUALS)
        take_equals_sign(s);
    else if (kind == TOKEN_WORD)
        take_name(s);
    else
        take_other(s, kind);
}

nb_step_verdict nb_equations_check(const char *line, size_t bytes, nb_equations *found)
{
    *found = (nb_equations){0};
    if (bytes == 0 || !memchr(line, '=', bytes))
        return NB_STEP_NONE;
    scan s = {.in = {.begin = line, .at = line, .end = line + bytes}, .found = found};
    mpq_inits(s.now.sum, s.now.term, s.now.first, s.left.sum, s.left.term, s.left.first, NULL);
    for (token kind; (kind = next_token(&s.in, s.wants_number || s.now.n == 0)) != TOKEN_END;)
        take_token(&s, kind);
    end_expression(&s, false);
    mpq_clears(s.now.sum, s.now.term, s.now.first, s.left.sum, s.left.term, s.left.first, NULL);
    if (found->n_wrong)
        return NB_STEP_WRONG;
    return found->n_right && found->n_unchecked == 0 ? NB_STEP_RIGHT : NB_STEP_UNCHECKABLE;
}
