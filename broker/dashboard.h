/* The page at / of the monitor: broker/dashboard.html as a string, made by deploy/texts.mk. */
#ifndef TESTUDO_BROKER_DASHBOARD_H
#define TESTUDO_BROKER_DASHBOARD_H

extern const char dashboard_page[];

#endif
