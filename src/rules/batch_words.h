/* src/rules/batch_words.h: how many records the other side takes in one call, by the words of its refusal: "a maximum of 10", "at most 10", "up to 10",
 * "a limit of 10", "no more than 10". Pure. */
#pragma once
#include "base/str.h"

/* The first such number that is at least 1 and below what was sent; 0: it says none. Numbers of something else ("at most 50 characters") are passed
 * over. */
uint32_t batch_words_most(struct str text, uint32_t sent);
