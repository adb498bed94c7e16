/* The number type of all learning code: float, or double when the same sources are compiled to be checked against finite
 * differences (-DTESTUDO_DOUBLE). What travels, is stored or comes from an environment is float in both builds. */
#ifndef TESTUDO_MATH_REAL_H
#define TESTUDO_MATH_REAL_H

#ifdef TESTUDO_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
