// SPDX-License-Identifier: Apache-2.0
// Plain arithmetic: the four operations and their order.
#include "apps/tutor/traces/story.h"

static const nb_story addition[] = {
    {1, 5, "a=N;b=N", "a+b",
     "<compute> {a~} + {b~}[?|.|]\n"
     "{a~} + {b~} = [?|]\n"
     "{a~} + {b~}\n"
     "[What is|Find|Compute] the sum of {a} and {b}?\n"
     "What is {a} plus {b}?\n"
     "How much is {a} plus {b}?\n"
     "Add {b} to {a}.\n"
     "Add {a} and {b}.\n"
     "Increase {a} by {b}. What do you get?\n"
     "[What number is|Which number is] {b} more than {a}?\n"
     "What is the total of {a} and {b}?"},
    {3, 5, "a=N;b=N;c=N", "a+b+c",
     "<compute> {a~} + {b~} + {c~}[?|.]\n"
     "{a~} + {b~} + {c~} = ?\n"
     "What is the sum of {a}, {b} and {c}?\n"
     "Add {a}, {b} and {c}."},
    {3, 5, "a=D;b=D", "a+b",
     "<compute> {a~} + {b~}[?|.]\n"
     "{a~} + {b~} = ?\n"
     "What is {a~} plus {b~}?\n"
     "What is the sum of {a~} and {b~}?"},
};
const nb_story_list nb_stories_addition = {addition, sizeof addition / sizeof addition[0]};

static const nb_story subtraction[] = {
    {1, 5, "b=N;c=N;a=b+c", "a-b",
     "<compute> {a~} - {b~}[?|.|]\n"
     "{a~} - {b~} = [?|]\n"
     "{a~} - {b~}\n"
     "What is {a} minus {b}?\n"
     "How much is {a} minus {b}?\n"
     "Subtract {b} from {a}.\n"
     "Take {b} away from {a}. What is left?\n"
     "What is the difference between {a} and {b}?\n"
     "Decrease {a} by {b}. What do you get?\n"
     "[What number is|Which number is] {b} less than {a}?\n"
     "How much more is {a} than {b}?\n"
     "How much less is {b} than {a}?\n"
     "{b~} + ? = {a~}\n"
     "{b~} + n = {a~}. What is n?\n"
     "What must be added to {b} to get {a}?\n"
     "What number plus {b} [is|equals|makes] {a}?"},
    {1, 5, "b=N;c=N", "b+c",
     "What number minus {b} [is|equals|leaves] {c}?\n"
     "__ - {b~} = {c~}\n"
     "n - {b~} = {c~}. [What is|Find] n?\n"
     "I think of a number and take away {b}. I get {c}. What is my number?"},
    {3, 5, "b=D;c=D;a=b+c", "a-b",
     "<compute> {a~} - {b~}[?|.]\n"
     "{a~} - {b~} = ?\n"
     "What is {a~} minus {b~}?\n"
     "Subtract {b~} from {a~}."},
};
const nb_story_list nb_stories_subtraction = {subtraction, sizeof subtraction / sizeof subtraction[0]};

static const nb_story multiplication[] = {
    {1, 5, "a=M;b=G", "a*b",
     "<compute> {a~} * {b~}[?|.|]\n"
     "{a~} * {b~} = [?|]\n"
     "{b~} * {a~} = ?\n"
     "<compute> {b~} * {a~}[?|.]\n"
     "<compute> {a~} x {b~}[?|.]\n"
     "{a~} × {b~} = ?\n"
     "{a~} * {b~}\n"
     "What is {a} times {b}?\n"
     "What is {b} times {a}?\n"
     "How much is {b} times {a}?\n"
     "Multiply {a} by {b}.\n"
     "Multiply {b} and {a}.\n"
     "[What is|Find] the product of {a} and {b}?"},
    {1, 5, "a=N", "a*2", "[What is|Find] twice {a}?\nDouble {a}.\n[What is|Find] the double of {a}?"},
    {3, 5, "a=D;b=2~9", "a*b", "<compute> {a~} * {b~}[?|.]\n{a~} * {b~} = ?\nMultiply {a~} by {b~}."},
};
const nb_story_list nb_stories_multiplication = {multiplication, sizeof multiplication / sizeof multiplication[0]};

static const nb_story division[] = {
    {1, 5, "b=B;c=M;a=b*c", "a/b",
     "<compute> {a~} / {b~}[?|.|]\n"
     "{a~} / {b~} = [?|]\n"
     "{a~} / {b~}\n"
     "{a~} ÷ {b~} = ?\n"
     "<compute> {a~} ÷ {b~}[?|.]\n"
     "What is {a} divided by {b}?\n"
     "How much is {a} divided by {b}?\n"
     "Divide {a} by {b}.\n"
     "How many times does {b} go into {a}?\n"
     "How many {b~}s are there in {a~}?\n"
     "What number times {b} [is|equals|makes] {a}?\n"
     "{b~} * ? = {a~}\n"
     "{b~} * n = {a~}. Find n.\n"
     "[What is|Find] the quotient of {a} and {b}?"},
    {1, 5, "c=N;a=c*2", "a/2", "[What is|Find] half of {a}?\nHow much is half of {a}?\nHalve {a}."},
    {3, 5, "b=2~9;c=D;a=b*c", "a/b", "<compute> {a~} / {b~}[?|.]\n{a~} / {b~} = ?\nDivide {a~} by {b~}."},
};
const nb_story_list nb_stories_division = {division, sizeof division / sizeof division[0]};

static const nb_story remainder_stories[] = {
    {1, 5, "b=B;c=M;d=1~(b-1);a=b*c+d", "a%b",
     "What is the remainder when {a} is divided by {b}?\n"
     "Find the remainder of {a~} / {b~}.\n"
     "Divide {a} by {b}. What is left over?\n"
     "What remains when you divide {a} by {b}?\n"
     "{A} <has> {a} {X} and [packs|puts|packed] them into {K.s} of {b}. How many {X} are left over?\n"
     "{A} shares {a} {X} equally among {b} [friends|children|people|classmates]. How many {X} are left over?\n"
     "A {L:maker} [packs|made] {a} {X} and fills {K.s} with {b} {X} each. How many {X} do not fill a {K}?\n"
     "{a} {X:people} form [1:teams|groups|rows] of {b}. How many {X} are left without a [1:team|group|row]?"},
    {1, 5, "b=B;c=M;d=1~(b-1);a=b*c+d", "a\\b",
     "How many whole times does {b} go into {a}?\n"
     "{A} <has> {a} {X} and [packs|puts|packed] them into {K.s} of {b}. How many full {K.s} are there?\n"
     "A {K} holds {b} {X}. How many {K.s} can {A} fill with {a} {X}?\n"
     "{A} needs {b} {X} to make one {Y.1}. How many whole {Y} can {A.he} make with {a} {X}?\n"
     "{X} cost {b$!} each. How many {X} can {A} buy with {a$!}?\n"
     "{A} cuts a {U:long} of {a} [feet|meters|inches|centimeters] into pieces of {b}. How many whole pieces are "
     "there?"},
    {2, 5, "b=B;c=M;d=1~(b-1);a=b*c+d", "a\\b+1",
     "Each [van|car|boat|table|bus] [holds|takes|seats] {b} people. How many are needed for {a} people?\n"
     "A {K} holds {b} {X}. How many {K.s} are needed for [all|] {a} {X}?\n"
     "{A} has {a} {X} to put into {K.s}. Each {K} has room for {b}. How many {K.s} does {A.he} need?\n"
     "{a} {X:people} are going on a trip. {b} fit into each [van|car|boat]. How many do they need?"},
};
const nb_story_list nb_stories_remainder = {remainder_stories, sizeof remainder_stories / sizeof remainder_stories[0]};

static const nb_story order[] = {
    {1, 5, "a=N;b=S;c=S", "a+b*c",
     "<compute> {a~} + {b~} * {c~}[?|.]\n{a~} + {b~} * {c~} = ?\nAdd {a} to the product of {b} and {c}."},
    {1, 5, "b=S;c=S;a=b*c+N", "a-b*c", "<compute> {a~} - {b~} * {c~}[?|.]\n{a~} - {b~} * {c~} = ?"},
    {1, 5, "a=N;b=S;c=S", "(a+b)*c",
     "<compute> ({a~} + {b~}) * {c~}[?|.]\n({a~} + {b~}) * {c~} = ?\nMultiply the sum of {a} and {b} by {c}."},
    {2, 5, "b=N;c=S;a=b+M", "(a-b)*c",
     "<compute> ({a~} - {b~}) * {c~}[?|.]\n({a~} - {b~}) * {c~} = ?\nMultiply the difference of {a} and {b} by {c}."},
    {2, 5, "b=N;d=N;c=2~9;a=c*d-b;a>0", "(a+b)/c",
     "<compute> ({a~} + {b~}) / {c~}[?|.]\n({a~} + {b~}) / {c~} = ?\nDivide the sum of {a} and {b} by {c}."},
    {2, 5, "b=N;d=M;c=2~9;a=c*d+b", "(a-b)/c", "<compute> ({a~} - {b~}) / {c~}[?|.]\n({a~} - {b~}) / {c~} = ?"},
    {2, 5, "a=N;c=2~9;d=M;b=c*d", "a+b/c", "<compute> {a~} + {b~} / {c~}[?|.]\n{a~} + {b~} / {c~} = ?"},
    {2, 5, "c=2~9;d=M;b=c*d;a=d+N", "a-b/c", "<compute> {a~} - {b~} / {c~}[?|.]\n{a~} - {b~} / {c~} = ?"},
    {2, 5, "a=S;b=S;c=S;d=S", "a*b+c*d", "<compute> {a~} * {b~} + {c~} * {d~}[?|.]\n{a~} * {b~} + {c~} * {d~} = ?"},
    {3, 5, "a=N;b=N;c=2~(a+b)", "a+b-c", "<compute> {a~} + {b~} - {c~}[?|.]\n{a~} + {b~} - {c~} = ?"},
    {3, 5, "b=N;c=N;a=b+c+N", "a-b-c", "<compute> {a~} - {b~} - {c~}[?|.]\n{a~} - {b~} - {c~} = ?"},
    {3, 5, "b=N;c=N;a=b+c+N", "a-(b+c)", "<compute> {a~} - ({b~} + {c~})[?|.]\n{a~} - ({b~} + {c~}) = ?"},
    {3, 5, "a=S;b=S;c=S", "a*b*c", "<compute> {a~} * {b~} * {c~}[?|.]\n{a~} * {b~} * {c~} = ?"},
    {3, 5, "c=2~9;b=c*S;a=S", "a*(b/c)", "<compute> {a~} * ({b~} / {c~})[?|.]"},
    {4, 5, "a=S;b=S;c=S;d=2~(a*b+c)", "a*b+c-d", "<compute> {a~} * {b~} + {c~} - {d~}[?|.]"},
    {4, 5, "a=S;b=S;c=3~20;d=2~(c-1)", "(a+b)*(c-d)", "<compute> ({a~} + {b~}) * ({c~} - {d~})[?|.]"},
    {2, 5, "a=2~9;x=N;b=N;c=a*x+b", "(c-b)/a",
     "I think of a number, multiply it by {a} and add {b}. The result is {c}. What is my number?\n"
     "{a} times a number plus {b} is {c}. [Find the number.|What is the number?]"},
    {2, 5, "a=2~9;x=M;b=1~(a*x-1);c=a*x-b", "(c+b)/a",
     "I think of a number, multiply it by {a} and subtract {b}. The result is {c}. What is my number?\n"
     "{b} less than {a} times a number is {c}. What is the number?"},
};
const nb_story_list nb_stories_order = {order, sizeof order / sizeof order[0]};
