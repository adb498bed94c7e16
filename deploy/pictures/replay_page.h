/* The text of replay.html, made a string by the build. */
#ifndef TESTUDO_DEPLOY_REPLAY_PAGE_H
#define TESTUDO_DEPLOY_REPLAY_PAGE_H

extern const char replay_page[];

#endif
