# Testudo. `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
# Rooms (see README): a room is compiled with the include paths of the rooms below it only, so a wrong include does not compile.

PROFILE ?= release
CC ?= gcc
B := build/$(PROFILE)
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' "$(1)" "$(2)";)

ROOMS := base math net wire envs actor learner broker deploy
DIR_base := common/base
DIR_math := common/math
DIR_net := common/net
DIR_wire := common/wire
DIR_envs := envs
DIR_actor := actor
DIR_learner := learner
DIR_broker := broker
DIR_deploy := deploy

SEES_base := base
SEES_math := base math
SEES_net := base math net
SEES_wire := base wire
SEES_envs := base envs
SEES_actor := base math net wire envs actor
SEES_learner := base math net wire learner
SEES_broker := base wire broker
SEES_deploy := $(ROOMS)
SEES_tests := $(ROOMS)

PACKAGES := libzmq msgpack openblas libuv yaml-0.1 jansson libxxhash zlib libmicrohttpd
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers
# No fast-math: a NaN must stay visible. Contraction is off: kernels write each fused multiply-add out, so that all clones agree.
BASE_FLAGS := -std=gnu11 $(WARN) -g -fno-math-errno -ffp-contract=off -pthread -D_GNU_SOURCE
FLAGS_release := -O3
FLAGS_san := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAGS_tsan := -O1 -fsanitize=thread
FLAGS_double := -O2 -DTESTUDO_DOUBLE
FLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
CFLAGS_ALL = $(BASE_FLAGS) $(FLAGS_$(PROFILE)) $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(FLAGS_$(PROFILE)) -pthread $(LDFLAGS)
# MuJoCo is optional and has no pkg-config file: its header is looked for. See deploy/mujoco.mk.
MUJOCO := $(shell $(CC) -E -x c -include mujoco/mujoco.h /dev/null >/dev/null 2>&1 && echo yes || echo no)
LIBS := $(PKG_LIBS) $(if $(filter yes,$(MUJOCO)),-lmujoco) -lm

ifeq ($(shell uname -m),x86_64)
CLONES := base v3 v4
CLONE_FLAGS_base := -march=x86-64
CLONE_FLAGS_v3 := -march=x86-64-v3
CLONE_FLAGS_v4 := -march=x86-64-v4 -mprefer-vector-width=512
else
CLONES := base
endif

# common/math/*_kernels.c are compiled once per clone; which one runs is chosen at start (math/product.c).
sources = $(filter-out %_kernels.c,$(sort $(wildcard $(DIR_$(1))/*.c $(DIR_$(1))/*/*.c)))
SRC_base := $(sort $(wildcard common/base/*.c))
SRC_math := $(filter-out %_kernels.c,$(sort $(wildcard common/math/*.c)))
SRC_net := $(sort $(wildcard common/net/*.c))
SRC_wire := $(sort $(wildcard common/wire/*.c))
SRC_envs := $(sort $(wildcard envs/*.c))
SRC_actor := $(call sources,actor)
SRC_learner := $(call sources,learner)
SRC_broker := $(call sources,broker)
SRC_deploy := $(filter-out deploy/main.c,$(call sources,deploy))
KERNELS := $(sort $(wildcard common/math/*_kernels.c))

OBJ = $(patsubst %.c,$(B)/%.o,$(SRC_$(1)))
KERNEL_OBJ := $(foreach c,$(CLONES),$(patsubst %.c,$(B)/%.$(c).o,$(KERNELS)))
EXTRA_math = $(KERNEL_OBJ)
EXTRA_envs = $(B)/gen/env_registry.o $(B)/gen/smac_maps.o
EXTRA_actor = $(B)/gen/attack_registry.o
EXTRA_learner = $(B)/gen/algorithm_registry.o
# Texts that the program carries: deploy/texts.mk.
EXTRA_envs += $(B)/gen/env_rules.o
EXTRA_deploy = $(B)/gen/replay_page.o
EXTRA_broker = $(B)/gen/dashboard.o

.PHONY: all run test check container-test test-long system fuzz bench format clean help install deps
all: bin/testudo


# LINKS_<test>: rooms that a test needs beside those that its own room sees.
-include deploy/tests.mk

.PHONY: program bin/testudo
bin/testudo:
	$(Q)$(MAKE) --no-print-directory PROFILE=release program
	$(Q)mkdir -p bin && cp -fu build/release/bin/testudo $@
program: $(B)/bin/testudo
# A room's library, whatever lower rooms it needs after it.
LINK_ORDER := deploy actor learner broker envs net math wire base
libs = $(foreach r,$(LINK_ORDER),$(if $(filter $(r),$(1)),$(B)/lib$(r).a))
ALL_LIBS := $(call libs,$(ROOMS))
$(B)/bin/testudo: $(B)/deploy/main.o $(ALL_LIBS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(LIBS)

# One folder of links per room: -I<that folder> makes "room/header.h" visible and nothing else.
$(B)/include/%/.made:
	$(Q)mkdir -p $(@D) && ln -sfn $(abspath $(DIR_$*)) $(@D)/$* && touch $@
includes = $(foreach r,$(SEES_$(1)),-I$(B)/include/$(r))
include_stamps = $(foreach r,$(SEES_$(1)),$(B)/include/$(r)/.made)

define room_rules
$(B)/$(DIR_$(1))/%.o: $(DIR_$(1))/%.c $(call include_stamps,$(1))
	$$(call say,CC,$$<)
	$(Q)mkdir -p $$(@D) && $(CC) $$(CFLAGS_ALL) $(call includes,$(1)) -MMD -MP -c -o $$@ $$<
$(B)/lib$(1).a: $(call OBJ,$(1)) $$(EXTRA_$(1))
	$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))

define clone_rules
$(B)/common/math/%_kernels.$(1).o: common/math/%_kernels.c $(call include_stamps,math)
	$$(call say,CC,$$< ($(1)))
	$(Q)mkdir -p $$(@D) && $(CC) $$(CFLAGS_ALL) -O3 $$(CLONE_FLAGS_$(1)) -DCLONE=$(1) $(call includes,math) -MMD -MP -c -o $$@ $$<
endef
$(foreach c,$(CLONES),$(eval $(call clone_rules,$(c))))

# Registries are made of what lies in the folders: `const struct T prefix_NAME = {` in a file there is an entry.
# registry: 1 output, 2 files, 3 type, 4 prefix, 5 array, 6 header
# Looked at in every build, so that a file that was taken away is missed, too; written only when it changed.
define registry_rule
$(B)/gen/$(1).c: look-again
	$(Q)mkdir -p $$(@D) && { echo '#include "$(6)"'; \
	names=$$$$(sed -n 's/^const struct $(3) $(4)\([a-z0-9_]*\) = {.*/\1/p' $(2) /dev/null | sort); \
	for n in $$$$names; do echo "extern const struct $(3) $(4)$$$$n;"; done; \
	echo "const struct $(3) *const $(5)[] = {"; for n in $$$$names; do echo "    &$(4)$$$$n,"; done; echo "    0,"; echo "};"; } > $$@.new
	$(Q)cmp -s $$@.new $$@ && rm $$@.new || mv $$@.new $$@
endef
.PHONY: look-again
$(eval $(call registry_rule,env_registry,$(SRC_envs),env_ops,env_,env_registry,envs/registry.h))
$(eval $(call registry_rule,attack_registry,$(wildcard actor/attacks/*.c),attack_ops,attack_,attack_registry,actor/attack.h))
$(eval $(call registry_rule,algorithm_registry,$(wildcard learner/algorithms/*.c learner/threats/*.c),algorithm_ops,algorithm_,algorithm_registry,learner/algorithm.h))
$(B)/gen/env_registry.o: $(B)/gen/env_registry.c $(call include_stamps,envs)
	$(Q)$(CC) $(CFLAGS_ALL) $(call includes,envs) -MMD -MP -c -o $@ $<
$(B)/gen/attack_registry.o: $(B)/gen/attack_registry.c $(call include_stamps,actor)
	$(Q)$(CC) $(CFLAGS_ALL) $(call includes,actor) -MMD -MP -c -o $@ $<
$(B)/gen/algorithm_registry.o: $(B)/gen/algorithm_registry.c $(call include_stamps,learner)
	$(Q)$(CC) $(CFLAGS_ALL) $(call includes,learner) -MMD -MP -c -o $@ $<

# Maps of SMAC combat as text in the program, so that it finds them wherever it is installed. The first scenario is the default.
SMAC_MAPS := envs/maps/3m.map $(filter-out envs/maps/3m.map,$(sort $(wildcard envs/maps/*.map)))
SMAC_TERRAINS := $(sort $(wildcard envs/maps/*.terrain))
$(B)/gen/smac_maps.c: $(SMAC_MAPS) $(SMAC_TERRAINS) Makefile
	$(Q)mkdir -p $(@D) && { echo '#include "envs/smac.h"'; echo 'const struct smac_file smac_files[] = {'; \
	for f in $(SMAC_MAPS) $(SMAC_TERRAINS); do echo "    {\"$${f##*/}\","; \
	sed 's/[\\"]/\\&/g; s/.*/     "&\\n"/' $$f; echo '    },'; done; echo '    {0},'; echo '};'; \
	echo 'const char *const smac_scenarios[] = {'; \
	for f in $(SMAC_MAPS); do f=$${f##*/}; echo "    \"$${f%.map}\","; done; echo '    0,'; echo '};'; } > $@
$(B)/gen/smac_maps.o: $(B)/gen/smac_maps.c $(call include_stamps,envs)
	$(Q)$(CC) $(CFLAGS_ALL) $(call includes,envs) -MMD -MP -c -o $@ $<

# Tests: tests/<room path>/test_*.c, one process each. double_*.c is built with TESTUDO_DOUBLE (PROFILE=double).
TEST_SRC := $(sort $(shell find tests -name 'test_*.c' 2>/dev/null))
DOUBLE_SRC := $(sort $(shell find tests -name 'double_*.c' 2>/dev/null))
# What a test links: its room and the rooms that the room sees; tests of rooms that need others say so in LINKS_<name>.
room_of = $(lastword $(filter $(ROOMS),$(subst /, ,$(1))))
test_libs = $(call libs,$(or $(LINKS_$(basename $(notdir $(1)))),$(SEES_$(call room_of,$(1))),$(ROOMS)))
define test_rule
$(B)/$(1:.c=.o): $(1) $(call include_stamps,tests)
	$$(call say,CC,$$<)
	$(Q)mkdir -p $$(@D) && $(CC) $$(CFLAGS_ALL) -I. $(call includes,tests) -MMD -MP -c -o $$@ $$<
$(B)/$(1:.c=): $(B)/$(1:.c=.o) $(call test_libs,$(1))
	$$(call say,LINK,$$@)
	$(Q)$(CC) $$(LDFLAGS_ALL) -o $$@ $$< -Wl,--start-group $(call test_libs,$(1)) -Wl,--end-group $(LIBS) -lcmocka
endef
$(foreach t,$(TEST_SRC) $(DOUBLE_SRC),$(eval $(call test_rule,$(t))))
.PHONY: tests doubles
tests: $(patsubst %.c,$(B)/%,$(TEST_SRC))
doubles: $(patsubst %.c,$(B)/%,$(DOUBLE_SRC))

# What else there is to build and run, by subject; may use everything defined above.
include $(filter-out deploy/tests.mk,$(sort $(wildcard deploy/*.mk)))

clean:
	rm -rf build bin

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.SECONDARY:
