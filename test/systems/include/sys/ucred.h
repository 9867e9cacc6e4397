/* SPDX-License-Identifier: MIT */
/* Declared before everything else: library.h. */
