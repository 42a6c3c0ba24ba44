// SPDX-License-Identifier: Apache-2.0
// Problems of two to four steps that mix the operations.
#include "apps/tutor/traces/story.h"

static const nb_story steps[] = {
    {1, 5, "a=N;b=S;c=M", "b*c+a",
     "{A} had {a} {X} and bought {b} {K.s} of {c} {X}. How many {X} does {A} have <now>?\n"
     "{A} has {b} {K.s} with {c} {X} each and {a} {X} more. How many {X} does {A.he} have <all>?\n"
     "{A} <Has> {a} {X}. {A.he} <get> {b} {K.s} with {c} {X} in each. How many {X} does {A} have <now>?\n"
     "There are {b} {K.s} of {X} with {c} in each, and {a} {X} on the table. How many {X} are there <all>?\n"
     "{A} has {a} {X}. {b} friends each give {A.him} {c} {X}. How many {X} does {A} have now?\n"
     "{A} has {a$}. {A.he} saves {c$} a week for {b} weeks. How much does {A.he} have then?\n"
     "A taxi costs {a$} and {c$} for each mile. How much does a ride of {b} miles cost?\n"
     "{A} read {a} pages on {V:day} and then {c} pages a day for {b} days. How many pages is that <all>?"},
    {1, 5, "b=S;c=M;d=N;a=b*c+d", "a-b*c",
     "{A} <Has> {a} {X}. {A.he} gave {c} {X} to each of {A.his} {b} [friends|cousins|students]. How many {X} does {A} "
     "have "
     "<left>?\n"
     "There are {a} {X}. {A} fills {b} {K.s} with {c} {X} each. How many {X} are <left>?\n"
     "{A} had {a} {X} and sold {b} {K.s} of {c}. How many {X} are left?\n"
     "A book has {a} pages. {A} reads {c} pages a day for {b} days. How many pages are left?\n"
     "A {L:shop} had {a} {X:goods}. Each of {b} customers bought {c}. How many {X} are left?\n"
     "{A} has {a$} and spends {c$} a day for {b} days. How much is left?\n"
     "{A} needs {a} {X}. {A.he} has {b} {K.s} with {c} each. How many more {X} does {A.he} need?"},
    {1, 5, "b=S;c=M;a=1~(b*c-1)", "b*c-a",
     "{A} has {b} {K.s} of {c} {X}. {A.he} gives {a} [{X}|of them|] to {B}. How many {X} does {A} [keep|have left]?\n"
     "{A} bought {b} {K.s} of {X} with {c} in each and <loseones> {a}. How many {X} are <left>?\n"
     "There were {b} rows of {X:plant} with {c} in each. {a} died. How many {X} are left?\n"
     "{A} made {b} {K.s} with {c} {X:food} each. {A.his} {J:family} ate {a}. How many {X} are left?\n"
     "{b} {V:vehicle} brought {c} {X:people} each. {a} went home early. How many {X} are still there?\n"
     "There are {b} {S:shelf.s} with {c} {X} each. {A} takes {a} away. How many {X} are left?\n"
     "{A} earned {c$} a day for {b} days and spent {a$}. How much does {A.he} have left?"},
    {1, 5, "b=B;d=M;c=N;a=b*d-c;a>0", "(a+c)/b",
     "{A} has {a} {X} and {B} has {c} {X}. They share all of them equally among {b} [friends|people|children]. How "
     "many does "
     "each get?\n"
     "{A} has {a} {Q} {X} and {c} {R} {X}. {A.he} puts them into {b} {K.s}, the same number in each. How many {X} are "
     "in a "
     "{K}?\n"
     "{A} <Has> {a} {X} and <get> {c} more. {A.he} packs them in {K.s} of {b}. How many {K.s} does {A.he} need?\n"
     "{a} {X:people} and {c} {Y:people} go in [1:cars|vans|boats] of {b}. How many [1:cars|vans|boats] do they need?\n"
     "{A} picked {a} {X} and {B} picked {c}. They put {b} in each {K}. How many {K.s} did they fill?"},
    {1, 5, "b=B;d=M;c=N;a=b*d+c", "(a-c)/b",
     "{A} <Has> {a} {X}. {A.he} keeps {c} and shares the rest equally among {b} [friends|children]. How many {X} does "
     "each "
     "get?\n"
     "{A} <Has> {a} {X} and <loseones> {c}. {A.he} packs the rest in {K.s} of {b}. How many {K.s} does {A.he} need?\n"
     "{A} had {a} {X} but {c} were broken. {A.he} put the good ones equally on {b} {S:shelf.s}. How many are on each?\n"
     "{a} {X:people} signed up and {c} did not come. The rest made {b} equal teams. How many were on a team?\n"
     "{A} paid {a$} in all, {c$} for {Y.a} and the rest for {b} {X}. How much was one {X.1}?\n"
     "{A} had {a} {X}. {A.he} used {c} and cut the rest into {b} equal piles. How many are in a pile?"},
    {1, 5, "a=S;b=M;c=S;d=M", "a*b+c*d",
     "{A} has {a} {K.s} with {b} {X} each and {c} {V:container.s} with {d} {X} each. How many {X} does {A.he} have "
     "<all>?\n"
     "There are {a} rows of {b} {X:plant} and {c} rows of {d} {Y:plant}. How many plants are there <all>?\n"
     "{A} has {a} {K.s} of {b} {X} and {B} has {c} {K.s} of {d} {X}. How many {X} do they have together?\n"
     "{A} reads {b} pages a day for {a} days and then {d} pages a day for {c} days. How many pages is that?\n"
     "{A} bought {a} {X} at {b$} each and {c} {Y} at {d$} each. How much did {A.he} spend <all>?"},
    {2, 5, "a=S;b=M;c=S;d=M;a*b>c*d", "a*b-c*d",
     "{A} has {a} {K.s} with {b} {X} each. {A.he} gives {d} {X} to each of {c} friends. How many {X} are left?\n"
     "{A} has {a} {K.s} of {b} {X} and {B} has {c} {K.s} of {d} {X}. How many more {X} does {A} have?\n"
     "{A} sold {a} {X} at {b$} each and bought {c} {Y} at {d$} each. How much money is left?"},
    {1, 5, "a=N;b=N;c=N;d=2~(a+b);d<a+b+c", "a+b-d+c",
     "{A} has {a} {X}. {A.he} finds {b}, loses {d} and then gets {c} from {B}. How many {X} does {A} have <now>?\n"
     "A bus has {a} {X:people} on it. {b} get on, then {d} get off and {c} get on. How many {X} are on the bus?"},
    {2, 5, "a=M;b=M;c=S", "(a+b)*c",
     "{A} puts {a} {Q} and {b} {R} {X} in each of {c} {K.s}. How many {X} does {A.he} use <all>?\n"
     "Every day {A} [makes|sells|finds] {a} {X} in the morning and {b} in the evening. How many {X} is that in {c} "
     "days?\n"
     "{A} gives {a} {X} and {b} {Y} to each of {c} friends. How many things does {A.he} give away?\n"
     "A lunch costs {a$} and a drink costs {b$}. How much do {c} people pay for both?\n"
     "There are {a} girls and {b} boys in each of {c} classes. How many children are there?"},
    {2, 5, "b=M;d=M;a=b+d;c=S", "(a-b)*c",
     "Each {K} had {a} {X}. {b} were taken out of each. How many {X} are in {c} {K.s} now?\n"
     "{A} makes {a} {X:goods} a day and sells {b} a day. How many {X} are left after {c} days?\n"
     "{A} earns {a$} a day and spends {b$} a day. How much does {A.he} save in {c} days?"},
    {2, 5, "b=2~9;c=M;d=2~9;a=b*c", "a/b*d",
     "{a} {X} fill {b} {K.s}. How many {X} fill {d} {K.s}?\n"
     "{A} shares {a} {X} equally into {b} {K.s}. How many {X} are in {d} of the {K.s}?\n"
     "{A} walks {a} blocks in {b} days. How many blocks does {A.he} walk in {d} days at the same rate?"},
    {2, 5, "b=2~9;c=M;a=b*c;d=N", "a/b+d",
     "{A} shares {a} {X} equally among {b} friends. {B} is one of them and already had {d}. How many {X} does {B} have "
     "now?\n"
     "{b} friends share {a$} equally. {A} is one of them and had {d$} before. How much does {A} have now?\n"
     "{a} {X} are put into {b} equal {K.s}. Then {d} more are put into one {K}. How many {X} are in that {K}?"},
    {2, 5, "b=2~9;c=M;a=b*c;d=1~(c-1)", "a/b-d",
     "{A} shares {a} {X} equally among {b} friends. {B} is one of them and [eats|loses|gives away] {d}. How many does "
     "{B} have "
     "left?\n"
     "{a} {X} are put equally into {b} {K.s}. {A} takes {d} out of one. How many are left in it?"},
    {3, 5, "a=M;b=S;c=N", "a+a*b+c",
     "{A} has {a} {X}. {B} has {b*} as many and {C} has {c}. How many {X} do they have <all>?\n"
     "{A} [picked|sold|made] {a} {X} on {V:day}, {b*} as many on {W} and {c} on {U:day}. How many is that <all>?"},
    {3, 5, "a=N;b=N;c=N", "a+(a+b)+c",
     "{A} has {a} {X}. {B} has {b} more than {A}, and {C} has {c}. How many {X} do they have <all>?"},
    {3, 5, "a=N;b=1~a;c=S;a>b", "(a-b)*c+a",
     "{A} has {a} {X}. {B} has {b} fewer than {A}. {C} has {c*} as many as {B}. How many {X} do {A} and {C} have "
     "together?"},
    {3, 5, "a=S;b=M;c=S;e=S;d=1~(a*b*c)", "a*b*c-d",
     "{A} has {a} {S:shelf.s} with {c} {K.s} on each. Every {K} holds {b} {X}. {A.he} sells {d}. How many {X} are "
     "left?"},
    {3, 5, "a=M;b=S;c=M;d=2~9;e=M;a=d*e-b*c;a>0", "(a+b*c)/d",
     "{A} has {a} {X} and buys {b} {K.s} of {c}. {A.he} shares them all equally among {d} friends. How many does each "
     "get?"},
    {3, 5, "a=U;b=S;c=U;d=S;e=P;f=a*b+c*d+e", "f-(a*b+c*d)",
     "{A} has {f$}. {A.he} buys {b} {X} at {a$} each and {d} {Y} at {c$} each. How much is left?\n"
     "{A} pays {f$} for {b} {X} at {a$} each and {d} {Y} at {c$} each. How much change does {A.he} get?"},
    {2, 5, "c=N;d=N;a=(c+d)*2", "a/2-c",
     "{A} has {a} {X}. {A.he} gives half of them to {B} and then loses {c}. How many {X} does {A} have left?\n"
     "{A} had {a$}. {A.he} spent half of it and then {c$} more. How much is left?"},
    {2, 5, "c=N;a=c*2;b=N", "a/2+b",
     "{A} has {a} {X}. {A.he} gives half of them away and then gets {b} more. How many {X} does {A} have <now>?\n"
     "{B} has half as many {X} as {A}, who has {a}. {B} then gets {b} more. How many {X} does {B} have now?"},
    {2, 5, "a=N;b=N;c=N;e=N;d=a+b+c+e", "d-(a+b+c)",
     "{A} wants {d} {X}. {A.he} has {a}, {B} gives {A.him} {b} and {C} gives {A.him} {c}. How many more {X} does {A} "
     "need?\n"
     "{A} had {d} {X}. {A.he} gave {a} to {B}, {b} to {C} and {c} to {D}. How many {X} are left?"},
    {2, 5, "x=M;b=2~9;c=N;d=b*x+c;a=N;e=a+d", "(e-a-c)/b",
     "{A} had {a} {X}. {A.he} got {b} {K.s} of {X} and {c} more {X}, and now has {e}. How many {X} were in each {K}?"},
};
const nb_story_list nb_stories_steps = {steps, sizeof steps / sizeof steps[0]};
