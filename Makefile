# SPDX-License-Identifier: Apache-2.0
# nibble's build. `make help` lists the targets.

BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= gcc
VERSION := $(shell sed -n 's/^\#define NB_VERSION "\(.*\)"/\1/p' runtime/nibble.h)
OPT     ?= -O3 -g
SANITIZE ?=
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Werror
# No contraction: a fused multiply-add happens only where the source says fma, so every ISA rounds alike.
CFLAGS  := -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno \
           -fno-trapping-math -I. $(SANITIZE) $(EXTRA_CFLAGS)
DEPFLAGS = -MMD -MP

ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)

# ISA flags, one line an ISA: every kernels/cpu/*_<isa>.c is compiled with them.
FLAGS_scalar :=
FLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c
ISAS := scalar
ifeq ($(ARCH),x86_64)
ISAS += avx512
endif

LIB_PKGS := jansson libpcre2-8 libutf8proc libcrypto
LIB_LIBS := $(shell pkg-config --libs $(LIB_PKGS)) -lm -lpthread
APP_LIBS := $(shell pkg-config --libs libedit)
ifeq ($(SANITIZE),)
APP_LIBS += -lmimalloc
endif

KERNEL_ISA_SRC := $(foreach isa,$(ISAS),$(wildcard kernels/cpu/*_$(isa).c))
KERNEL_SRC := $(wildcard kernels/*.c) $(filter-out $(foreach i,scalar avx2 avx512 neon i8mm,kernels/cpu/%_$(i).c),$(wildcard kernels/cpu/*.c)) $(KERNEL_ISA_SRC)
LIB_SRC := $(wildcard platform/*.c) $(KERNEL_SRC) $(wildcard runtime/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o)

COMMON_SRC := $(wildcard apps/common/*.c)
NIBBLE_SRC := $(filter-out apps/qat/% apps/common/% apps/example/%,$(wildcard apps/*/*.c)) $(COMMON_SRC)
QAT_SRC    := $(wildcard apps/qat/*.c) $(COMMON_SRC)

TEST_SRC := $(wildcard tests/platform/test_*.c tests/kernels/test_*.c tests/kernels/cpu/test_*.c tests/runtime/test_*.c tests/apps/test_*.c)
TEST_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c tests/oracle/*.c))
TEST_BIN := $(TEST_SRC:%.c=$(BUILD)/%)

all: $(BUILD)/libnibble.a $(BUILD)/nibble $(BUILD)/nibble-qat

define isa_rule
$(BUILD)/kernels/cpu/%_$(1).o: CFLAGS += $$(FLAGS_$(1))
endef
$(foreach isa,$(ISAS),$(eval $(call isa_rule,$(isa))))

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(DEPFLAGS) -c $< -o $@

$(BUILD)/libnibble.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/nibble: $(NIBBLE_SRC:%.c=$(BUILD)/%.o) $(BUILD)/libnibble.a
	$(CC) $(SANITIZE) -o $@ $^ $(LIB_LIBS) $(APP_LIBS)

$(BUILD)/nibble-qat: $(QAT_SRC:%.c=$(BUILD)/%.o) $(BUILD)/libnibble.a
	$(CC) $(SANITIZE) -o $@ $^ $(LIB_LIBS) $(APP_LIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TEST_SUPPORT) $(BUILD)/libnibble.a
	$(CC) $(SANITIZE) -o $@ $^ $(LIB_LIBS) -lcmocka

tests: $(TEST_BIN)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	rm -rf $(BUILD)

.PHONY: all tests clean
.SECONDARY:
