// SPDX-License-Identifier: Apache-2.0
// What a program has half-made and must not leave behind when it ends in the middle, as it does where memory runs out.
#ifndef NB_APPS_UNFINISHED_H
#define NB_APPS_UNFINISHED_H

enum { NB_UNFINISHED_MAX = 4 };

// An exit of the process calls undo(what), unless it was taken back before. At most NB_UNFINISHED_MAX at a time, all of
// one thread. What ends the process at once (_exit, a signal) undoes nothing.
void nb_unfinished_add(void (*undo)(void *what), void *what);
void nb_unfinished_remove(const void *what); // harmless when it was not added

#endif
