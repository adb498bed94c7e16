# Programs for looking at one part in isolation; `bin/testudo bench` is what users run.
.PHONY: local-train
local-train: $(B)/tests/bench/local_train
$(B)/tests/bench/local_train.o: tests/bench/local_train.c $(call include_stamps,tests)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(call includes,tests) -MMD -MP -c -o $@ $<
$(B)/tests/bench/local_train: $(B)/tests/bench/local_train.o $(call libs,base math net wire envs actor learner)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(call libs,base math net wire envs actor learner) -Wl,--end-group $(LIBS)
