# The actor that lies (tests/long/liar.c): the actor's room with one call wrapped.
$(B)/tests/long/liar.o: tests/long/liar.c $(call include_stamps,tests)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -I. $(call includes,tests) -MMD -MP -c -o $@ $<
$(B)/tests/long/liar: $(B)/tests/long/liar.o $(call libs,base math net wire envs actor)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -Wl,--wrap=rollout_run -o $@ $< -Wl,--start-group $(call libs,base math net wire envs actor) -Wl,--end-group $(LIBS)
.PHONY: liar
liar: $(B)/tests/long/liar
