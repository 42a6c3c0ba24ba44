# SPDX-License-Identifier: Apache-2.0
# nibble's build. `make help` lists the targets; the variables below can be set on the command line.

BUILD    ?= build
PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib
OPT      ?= -O3 -g
SANITIZE ?=
WERROR   ?= -Werror
JOBS     ?= $(shell nproc 2>/dev/null || echo 1)
ifeq ($(origin CC),default)
CC := gcc
endif
# One name for one directory, however it was spelt: the dependency files know their objects by it.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))

# ---- flags -------------------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla $(WERROR)
# No contraction: a fused multiply-add happens only where the source says fma, so every ISA rounds alike.
FLOAT := -ffp-contract=off -fno-math-errno -fno-trapping-math
FLAGS := -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $(FLOAT) -fPIC -fvisibility=hidden -ffile-prefix-map=$(CURDIR)=. -I. \
         $(SANITIZE) $(EXTRA_CFLAGS) $(CPPFLAGS) $(CFLAGS)
# Short lines; V=1 shows the commands.
at := $(if $(filter 1,$(V)),,@)
say = @$(if $(at),echo "  $(1)  $@",:)
LINK = $(CC) $(SANITIZE) $(LDFLAGS) -Wl,-z,relro,-z,now

# One line an ISA: every kernels/cpu/*_ISA.c is compiled with its flags, on the architecture that has it.
FLAGS_scalar :=
FLAGS_avx2   := -mavx2 -mfma -mf16c
FLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c
FLAGS_neon   := -march=armv8.2-a+dotprod+fp16
FLAGS_i8mm   := -march=armv8.2-a+dotprod+fp16+i8mm+bf16
ISAS_x86_64  := scalar avx2 avx512
ISAS_aarch64 := scalar neon i8mm
ISAS_ALL     := scalar avx2 avx512 neon i8mm
ARCH := $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)
ISAS := $(or $(ISAS_$(ARCH)),scalar)

# Lazy, so that `make deps` and `make help` work before the libraries are there.
LIB_PKGS = jansson libpcre2-8 libutf8proc libcrypto
LIB_LIBS = $(shell pkg-config --libs $(LIB_PKGS)) -lm -lpthread
APP_LIBS = $(shell pkg-config --libs libedit gmp)
# Learners' records: nibble alone.
TUTOR_LIBS = $(shell pkg-config --libs sqlite3)
# The test Hub, and the client that tests it.
HUB_LIBS = $(shell pkg-config --libs libmicrohttpd libcurl)
# The fetcher: nibble alone.
CURL_LIBS = $(shell pkg-config --libs libcurl libssl)
# The products of training: nibble-qat alone.
QAT_LIBS = -ldnnl -l:libgomp.so.1
# The programs' allocator; the library leaves that choice to whoever embeds it, sanitizers bring their own.
MALLOC_LIBS = $(if $(SANITIZE),,-Wl,--push-state,--no-as-needed -lmimalloc -Wl,--pop-state)

# ---- files -------------------------------------------------------------------------------------------------------

OTHER_ISA_SRC := $(foreach isa,$(filter-out $(ISAS),$(ISAS_ALL)),$(wildcard kernels/*/*_$(isa).c))
LIB_SRC := $(filter-out $(OTHER_ISA_SRC),$(wildcard platform/*.c kernels/*.c kernels/cpu/*.c runtime/*.c))
APP_SRC := $(filter-out apps/qat/% apps/example/%,$(wildcard apps/*/*.c apps/tutor/traces/*.c))
QAT_SRC := $(filter-out $(OTHER_ISA_SRC),$(wildcard apps/qat/*.c apps/common/*.c apps/tutor/steps*.c \
           apps/tutor/traces/*.c kernels/grad/*.c))
TEST_SRC := $(filter-out tests/fuzz/%,$(wildcard tests/*/test_*.c tests/*/*/test_*.c))
SUPPORT_SRC := $(wildcard tests/support/*.c tests/oracle/*.c)
# The test Hub: linked into its program and the tests that need one.
HUB_SRC := $(wildcard tests/hub/mock_*.c tests/hub/pull_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FORMATTED := $(wildcard $(addsuffix /*.[ch],platform kernels kernels/* runtime apps/* apps/tutor/traces tests tests/* tests/*/*))

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
# Everything of the programs but their mains, for the tests of apps.
PARTS := $(call objects,$(filter-out %_main.c,$(sort $(APP_SRC) $(QAT_SRC))))

LIB := $(BUILD)/libnibble.a
SO  := $(BUILD)/libnibble.so
VERSION := $(shell sed -n 's/^\#define NB_VERSION "\(.*\)"/\1/p' runtime/nibble.h)
ABI := 0
PROGRAMS := $(if $(filter %_main.c,$(APP_SRC)),$(BUILD)/nibble) $(if $(filter %_main.c,$(QAT_SRC)),$(BUILD)/nibble-qat)
TEST_BIN := $(TEST_SRC:%.c=$(BUILD)/%)
HUB_TEST_BIN := $(filter $(BUILD)/tests/hub/%,$(TEST_BIN))
HUB_PROGRAM := $(if $(HUB_SRC),$(BUILD)/tests/hub/serve_hub)
REPLAY_BIN := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(BUILD)/tests/fuzz/replay_%)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/tests/fuzz/%)
GATES := $(sort $(wildcard tests/gates/check_*.sh))

all: $(LIB) $(SO) $(PROGRAMS) ## library and programs, into $(BUILD)/

# ---- rules -------------------------------------------------------------------------------------------------------

# Files whose text changes with the command lines and with the lists of sources; what these decide depends on them.
define FLAGS_TEXT
$(shell $(CC) --version 2>/dev/null | head -n 1)
$(CC) $(FLAGS) $(foreach isa,$(ISAS),$(isa): $(FLAGS_$(isa)))
$(LINK) $(LIB_LIBS) $(APP_LIBS) $(TUTOR_LIBS) $(CURL_LIBS) $(QAT_LIBS) $(MALLOC_LIBS)
endef
LISTS_TEXT = $(LIB_SRC) $(APP_SRC) $(QAT_SRC) $(SUPPORT_SRC) $(HUB_SRC)
$(BUILD)/flags.stamp: FORCE
	@pkg-config --exists $(LIB_PKGS) libedit gmp sqlite3 libcurl libssl || { echo "nibble: libraries are missing; try 'make deps'" >&2; exit 1; }
	$(shell mkdir -p $(@D))$(file >$@.new,$(FLAGS_TEXT))
	@cmp -s $@.new $@ && rm -f $@.new || mv -f $@.new $@
$(BUILD)/lists.stamp: FORCE
	$(shell mkdir -p $(@D))$(file >$@.new,$(LISTS_TEXT))
	@cmp -s $@.new $@ && rm -f $@.new || mv -f $@.new $@

# Private, or the stamps would take them over from the first object that needs them.
define isa_rule
$(BUILD)/kernels/cpu/%_$(1).o: private OWN_FLAGS := $$(FLAGS_$(1))
$(BUILD)/kernels/grad/%_$(1).o: private OWN_FLAGS := $$(FLAGS_$(1)) -ffp-contract=fast
endef
$(foreach isa,$(ISAS),$(eval $(call isa_rule,$(isa))))
# The fuzzer's entry point has no header.
$(BUILD)/tests/fuzz/%.o: private OWN_FLAGS := -Wno-missing-prototypes

$(BUILD)/%.o: %.c Makefile $(BUILD)/flags.stamp
	@mkdir -p $(@D)
	$(call say,cc  )
	$(at)$(CC) $(FLAGS) $(OWN_FLAGS) -MMD -MP -c $< -o $@

$(LIB): $(call objects,$(LIB_SRC)) $(BUILD)/lists.stamp
	@rm -f $@
	$(call say,ar  )
	$(at)ar rcsD $@ $(filter %.o,$^)

$(SO): $(call objects,$(LIB_SRC)) $(BUILD)/lists.stamp
	$(call say,link)
	$(at)$(LINK) -shared -Wl,-soname,libnibble.so.$(ABI) $(if $(SANITIZE),,-Wl,-z,defs) -o $@ $(filter %.o,$^) $(LIB_LIBS)

$(BUILD)/libparts.a: $(PARTS) $(BUILD)/lists.stamp
	@rm -f $@
	$(call say,ar  )
	$(at)ar rcsD $@ $(filter %.o,$^)

$(BUILD)/nibble: $(call objects,$(APP_SRC)) $(LIB) $(BUILD)/lists.stamp
	$(call say,link)
	$(at)$(LINK) -o $@ $(filter %.o %.a,$^) $(MALLOC_LIBS) $(LIB_LIBS) $(APP_LIBS) $(TUTOR_LIBS) $(CURL_LIBS)

$(BUILD)/nibble-qat: $(call objects,$(QAT_SRC)) $(LIB) $(BUILD)/lists.stamp
	$(call say,link)
	$(at)$(LINK) -o $@ $(filter %.o %.a,$^) $(MALLOC_LIBS) $(LIB_LIBS) $(APP_LIBS) $(QAT_LIBS)

# Tests and fuzz targets. Calls that tests/support/look_ups.c counts in tests.
LOOK_UPS := getenv secure_getenv dlsym stat lstat access opendir json_object_get json_object_getn nb_vocab_find \
            nb_vocab_find_plain nb_checkpoint_find
FOR_TESTS := $(call objects,$(SUPPORT_SRC)) $(BUILD)/libparts.a $(LIB)
$(HUB_TEST_BIN): $(call objects,$(HUB_SRC))
$(HUB_TEST_BIN): private OWN_LIBS = $(HUB_LIBS)
$(TEST_BIN): $(BUILD)/%: $(BUILD)/%.o $(FOR_TESTS)
	$(call say,link)
	$(at)$(LINK) $(LOOK_UPS:%=-Wl,--wrap=%) -o $@ $^ $(LIB_LIBS) $(APP_LIBS) $(TUTOR_LIBS) $(CURL_LIBS) $(QAT_LIBS) \
	    $(OWN_LIBS) -lcmocka

$(HUB_PROGRAM): $(call objects,tests/hub/serve_hub.c $(filter tests/hub/mock_%,$(HUB_SRC)))
	$(call say,link)
	$(at)$(LINK) -o $@ $^ $(LIB_LIBS) $(HUB_LIBS)

$(REPLAY_BIN): $(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay_main.o $(FOR_TESTS)
	$(call say,link)
	$(at)$(LINK) -o $@ $^ $(LIB_LIBS) $(APP_LIBS) $(TUTOR_LIBS) $(CURL_LIBS) $(QAT_LIBS) -lcmocka

$(FUZZ_BIN): %: %.o $(FOR_TESTS)
	$(call say,link)
	$(at)$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIB_LIBS) $(APP_LIBS) $(TUTOR_LIBS) $(CURL_LIBS) $(QAT_LIBS) -lcmocka

-include $(patsubst %.o,%.d,$(call objects,$(sort $(LIB_SRC) $(APP_SRC) $(QAT_SRC) $(TEST_SRC) $(SUPPORT_SRC) $(FUZZ_SRC) \
           $(HUB_SRC) tests/hub/serve_hub.c tests/fuzz/replay_main.c)))

# ---- use ---------------------------------------------------------------------------------------------------------

# A second make, because the libraries may only now be there; parallel unless the caller chose.
AGAIN = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))
Q ?= Mia had 58 shells and bought 6 boxes of 24 shells. How many shells does Mia have now?
export Q

deps: ## install the missing packages (apt, with sudo where needed)
	@tests/deps.sh

run: deps ## build, and ask the tutor a question, with the bundled 4-bit model; Q="What is 347 + 285?"
	@[ -x $(BUILD)/nibble ] || echo "nibble: building, this takes a minute" >&2
	@$(AGAIN) all >/dev/null
	@printf "%s\n\n" "$$Q"
	@$(BUILD)/nibble tutor -p "$$Q"

bench: all ## the speed table of docs/PERFORMANCE.md; some minutes; WRITE=1 puts it there
	@tests/bench/speed.sh $(BUILD)/nibble

bench-train: all ## the speed table of docs/TRAINING.md, against PyTorch in a throw-away environment
	@tests/bench/train.sh $(BUILD)/nibble-qat

hub-interplay: all $(HUB_PROGRAM) ## nibble pull and Python's huggingface_hub with one cache, which comes from PyPI into a throw-away environment
	@BUILD=$(BUILD) tests/hub/interplay.sh || [ $$? -eq 77 ]

experiment: all ## the experiment of docs/REQAT.md, some hours; goes on where it was stopped; results into docs/reqat
	apps/qat/experiment/experiment.sh $(BUILD)

# ---- tests -------------------------------------------------------------------------------------------------------

TEST_SECONDS ?= 300
RUN_TESTS = BUILD=$(BUILD) CC="$(CC)" JOBS=$(JOBS) TEST_SECONDS=$(TEST_SECONDS) tests/run.sh

test: deps ## everything: gates, unit tests, also those of Arm's kernels, fuzz corpora, shell tests
	@tests/deps.sh --arm || echo 'nibble: the tests of Arm are left out' >&2
	@$(AGAIN) all tests
	@BUILD=$(BUILD) JOBS=$(JOBS) tests/arm/arm_kernels.sh --programs >$(BUILD)/arm-programs
	@$(RUN_TESTS) $(GATES) $(wildcard tests/gates/test_*.sh) $(TEST_BIN) $(REPLAY_BIN) \
	    $(sort $(wildcard tests/apps/*.sh)) $$(cat $(BUILD)/arm-programs) $(TEST_EXTRA)

test-arm: deps ## the whole nibble on Arm, under qemu: its answers are the bytes of x86
	@tests/deps.sh --arm || echo 'nibble: the tests of Arm are left out' >&2
	@$(AGAIN) all
	@$(RUN_TESTS) tests/arm/arm_answers.sh

tests: $(TEST_BIN) $(REPLAY_BIN) $(HUB_PROGRAM)

unit: all tests ## unit tests and fuzz corpora only
	@$(RUN_TESTS) $(TEST_BIN) $(REPLAY_BIN)

check: all ## all gates; one alone: make check-layers
	@$(RUN_TESTS) $(GATES)

$(GATES:tests/gates/check_%.sh=check-%): check-%: all
	@BUILD=$(BUILD) CC="$(CC)" tests/gates/check_$*.sh

# Runs of their own, each in a build directory of its own.
asan: ## unit tests with the address and undefined-behaviour sanitizers
	@$(AGAIN) BUILD=$(BUILD)-asan OPT="-O1 -g" unit \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"

tsan: ## unit tests with the thread sanitizer
	@NB_SOAK_TOKENS=2000 $(AGAIN) BUILD=$(BUILD)-tsan OPT="-O1 -g" SANITIZE="-fsanitize=thread" TEST_SECONDS=1200 unit

SOAK_TOKENS ?= 100000
soak: ## SOAK_TOKENS (100000) through full rings, checked against fresh computations
	@$(AGAIN) $(BUILD)/tests/runtime/test_soak
	NB_SOAK_TOKENS=$(SOAK_TOKENS) $(BUILD)/tests/runtime/test_soak

faults: ## every allocation, read, write, map, rename ... of every operation made to fail once, leaks looked for
	@$(AGAIN) faults-run
	@$(AGAIN) BUILD=$(BUILD)-asan OPT="-O1 -g" faults-leaks \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"

FAULT_TESTS := $(addprefix $(BUILD)/tests/apps/,test_failures test_run_failures test_json_failures)
faults-run: all $(FAULT_TESTS) $(BUILD)/tests/hub/test_pull_failures
	set -e; for test in $(FAULT_TESTS) $(BUILD)/tests/hub/test_pull_failures; do NB_FAULTS=all $$test; done

# A sanitizer lets no allocation of a thread fail, so pulling is not among these; of test_json_failures a sample.
faults-leaks: all $(FAULT_TESTS)
	NB_FAULTS=all $(BUILD)/tests/apps/test_failures
	NB_FAULTS=all $(BUILD)/tests/apps/test_run_failures
	$(BUILD)/tests/apps/test_json_failures

check-fresh: ## `make run` and `make test` of HEAD on a minimal Debian 12, bootstrapped for it (root, debootstrap)
	@tests/fresh.sh || [ $$? -eq 77 ]

FUZZ_SECONDS ?= 60
fuzz: ## each fuzz target for FUZZ_SECONDS (60) with clang's libFuzzer
	@$(AGAIN) CC=clang BUILD=$(BUILD)-fuzz OPT="-O1 -g" fuzz-run \
	    SANITIZE="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer"

fuzz-run: $(FUZZ_BIN)
	@BUILD=$(BUILD) tests/fuzz/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_BIN)

fuzz-replay: $(REPLAY_BIN) ## every corpus file through its fuzz target once
	@$(RUN_TESTS) $(REPLAY_BIN)

format: ## clang-format every source file
	clang-format -i $(FORMATTED)

# ---- install -----------------------------------------------------------------------------------------------------

install: all ## programs, library, header, manual pages, completion, model; PREFIX, LIBDIR, DESTDIR
	@BUILD=$(BUILD) PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) VERSION=$(VERSION) ABI=$(ABI) tests/install.sh install

uninstall: ## what install put there
	@BUILD=$(BUILD) PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) VERSION=$(VERSION) ABI=$(ABI) tests/install.sh uninstall

clean: ## remove the build directories
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz $(BUILD)-clang $(BUILD)-arm64

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'
	@echo "Variables: V=1 CC OPT SANITIZE BUILD JOBS PREFIX LIBDIR DESTDIR CFLAGS LDFLAGS FUZZ_SECONDS SOAK_TOKENS Q"

FORCE:
.PHONY: all deps run bench bench-train hub-interplay experiment test test-arm tests unit check asan tsan soak faults faults-run faults-leaks check-fresh fuzz fuzz-run fuzz-replay \
        format install uninstall clean help FORCE
.PHONY: $(GATES:tests/gates/check_%.sh=check-%)
.SECONDARY:
.DELETE_ON_ERROR:
