// SPDX-License-Identifier: Apache-2.0
// Fractions. Their arithmetic is done on numerators and denominators; the last step makes the fraction:
// 11 / 12 = 11/12.
#include "apps/tutor/traces/story.h"

static const nb_story fractions[] = {
    // of one denominator
    {1, 5, "q=Q+1;p=1~(q-1);r=1~q", "(p+r):q",
     "<compute> {p~}/{q~} + {r~}/{q~}[?|.|]\n"
     "{p~}/{q~} + {r~}/{q~} = ?\n"
     "What is the sum of {p~}/{q~} and {r~}/{q~}?\n"
     "{A} ate {p~}/{q~} of a [pizza|cake|pie] and {B} ate {r~}/{q~} of another. How much did they eat together?\n"
     "{A} walked {p~}/{q~} of a mile and then {r~}/{q~} of a mile. How far did {A.he} walk?\n"
     "{A} used {p~}/{q~} of a cup of {M:mass} and {r~}/{q~} of a cup of {N:mass}. How many cups is that?"},
    {1, 5, "q=Q+1;r=1~(q-1);d=q-r;p=r+(1~d)", "(p-r):q",
     "<compute> {p~}/{q~} - {r~}/{q~}[?|.|]\n"
     "{p~}/{q~} - {r~}/{q~} = ?\n"
     "{A} had {p~}/{q~} of a [pizza|cake|pie] and ate {r~}/{q~}. How much is left?\n"
     "{A} had {p~}/{q~} of a [gallon|liter|cup] of {M:liquid} and used {r~}/{q~}. How much is left?\n"
     "What is the difference between {p~}/{q~} and {r~}/{q~}?"},
    // of two denominators
    {2, 5, "q=Q;s=Q;q!s;p=1~(q-1);r=1~(s-1)", "(p*s+r*q):(q*s)",
     "<compute> {p~}/{q~} + {r~}/{s~}[?|.|]\n"
     "{p~}/{q~} + {r~}/{s~} = ?\n"
     "What is the sum of {p~}/{q~} and {r~}/{s~}?\n"
     "{A} ran {p~}/{q~} of a mile and {B} ran {r~}/{s~} of a mile. How far is that together?"},
    {2, 5, "q=Q;s=Q;q!s;p=1~(q-1);r=1~(s-1);p*s>r*q", "(p*s-r*q):(q*s)",
     "<compute> {p~}/{q~} - {r~}/{s~}[?|.|]\n"
     "{p~}/{q~} - {r~}/{s~} = ?\n"
     "{A} has {p~}/{q~} of a [pound|cup|liter] of {M:mass} and uses {r~}/{s~}. How much is left?\n"
     "How much more is {p~}/{q~} than {r~}/{s~}?"},
    {2, 5, "q=Q;s=Q;p=1~(q-1);r=1~(s-1)", "(p*r):(q*s)",
     "<compute> {p~}/{q~} * {r~}/{s~}[?|.|]\n"
     "{p~}/{q~} * {r~}/{s~} = ?\n"
     "What is {p~}/{q~} times {r~}/{s~}?\n"
     "What is {p~}/{q~} of {r~}/{s~}?"},
    {3, 5, "q=Q;s=Q;p=1~(q-1);r=1~(s-1)", "(p*s):(q*r)",
     "<compute> {p~}/{q~} / {r~}/{s~}[?|.]\nDivide {p~}/{q~} by {r~}/{s~}."},
    // of a number
    {1, 5, "q=2~9;p=1~(q-1);c=M;a=q*c", "a/q*p",
     "What is {p~}/{q~} of {a~}?\n"
     "<compute> {p~}/{q~} of {a~}[?|.]\n"
     "{A} has {a} {X}. {p~}/{q~} of them are {Q}. How many {X} are {Q}?\n"
     "{A} has {a} {X} and gives {p~}/{q~} of them to {B}. How many {X} does {B} get?\n"
     "There are {a} {X:people} in the {L:place}. {p~}/{q~} of them are [girls|adults|members]. How many is that?\n"
     "A trip is {a} miles long. {A} has gone {p~}/{q~} of it. How many miles is that?\n"
     "{A} earned {a$} and spent {p~}/{q~} of it. How much did {A.he} spend?"},
    {1, 5, "q=2~9;p=1~(q-1);c=M;a=q*c", "a-a/q*p",
     "{A} has {a} {X} and gives away {p~}/{q~} of them. How many {X} are <left>?\n"
     "There are {a} {X} in the {K}. {p~}/{q~} of them are {Q} and the rest are {R}. How many are {R}?\n"
     "{A} had {a$} and spent {p~}/{q~} of it. How much is left?\n"
     "A book has {a} pages. {A} has read {p~}/{q~} of it. How many pages are left?"},
    {1, 5, "c=M;a=3*c", "a/3",
     "[What is|Find] [a|one] third of {a}?\n{A} has {a} {X} and gives a third of them to {B}. How many {X} does {B} "
     "get?\n"
     "One third of the {a} {X} are {Q}. How many {X} are {Q}?"},
    {1, 5, "c=M;a=4*c", "a/4",
     "[What is|Find] [a|one] [quarter|fourth] of {a}?\n{A} ate [a|one] quarter of {a} {X:food}. How many {X} did "
     "{A.he} eat?\n"
     "A quarter of the {a} {X} in the {K} are {Q}. How many {X} are {Q}?"},
    {2, 5, "c=M;a=4*c", "a/4*3",
     "[What is|Find] three [quarters|fourths] of {a}?\nThree quarters of the {a} {X} are {Q}. How many {X} are {Q}?"},
    {2, 5, "c=M;a=3*c", "a/3*2",
     "[What is|Find] two thirds of {a}?\nTwo thirds of {A.s} {a} {X} are {Q}. How many is that?"},
    {1, 5, "c=N;a=2*c", "a-a/2",
     "{A} had {a} {X} and [gave away|sold|lost|ate] half of them. How many {X} are <left>?\n"
     "Half of the {a} {X:people} went home. How many {X} are still there?\n"
     "{A} spent half of {A.his} {a$}. How much is left?"},
    {2, 5, "q=2~9;a=M", "a*q",
     "1/{q~} of a number is {a~}. What is the number?\n"
     "{A} gave 1/{q~} of {A.his} {X} to {B}. {B} got {a} {X}. How many {X} did {A} have at first?"},
    // simplest terms
    {2, 5, "q=Q+1;p=1~(q-1);k=2~6;a=p*k;b=q*k", "a:b",
     "Write {a~}/{b~} in lowest terms.\nSimplify {a~}/{b~}.\nReduce the fraction {a~}/{b~}.\n"
     "{a} of the {b} {X} are {Q}. What fraction of the {X} is that?"},
    {3, 5, "q=2~9;w=1~9;p=1~(q-1)", "(w*q+p):q",
     "Write {w~} {p~}/{q~} as an improper fraction.\nWrite {w~} and {p~}/{q~} as one fraction."},
};
const nb_story_list nb_stories_fractions = {fractions, sizeof fractions / sizeof fractions[0]};
