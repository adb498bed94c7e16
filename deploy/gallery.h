/* The gallery: a page that shows every environment, made by the program. */
#ifndef TESTUDO_DEPLOY_GALLERY_H
#define TESTUDO_DEPLOY_GALLERY_H

#include "base/err.h"

/* Writes FOLDER/README.md and FOLDER/gallery/<name>.gif for all environments. */
MUST_USE int gallery_write(const char *folder, struct err *err);

#endif
