// SPDX-License-Identifier: Apache-2.0
// Prices, change, earnings, savings, with cents; parts of a hundred.
#include "apps/tutor/traces/story.h"

static const nb_story money[] = {
    {1, 5, "a=P;b=P", "a+b",
     "{A} <went> and bought {X.a} for {a$} and {Y.a} for {b$}. How much did {A.he} spend <all>?\n"
     "A {X.1} costs {a$} and a {Y.1} costs {b$}. How much do they cost together?\n"
     "{A} spent {a$} on {X} and {b$} on {Y}. How much [money|] did {A} spend <all>?\n"
     "{A} buys {X.a} for {a$} and {Y.a} for {b$}. What is the total [cost|price]?\n"
     "{A} had {a$}. {A.his} {J:family} gave {A.him} {b$}. How much [money|] does {A.he} have now?\n"
     "{A} has {a$} and {B} has {b$}. How much [money|] do they have <all>?\n"
     "{A} saved {a$} in {V:month} and {b$} in {U:month}. How much did {A.he} save <all>?\n"
     "{A} earned {a$} [1:for {V:job}|on {V:day}] and {b$} [1:for {U:job}|on {U:day}]. How much did {A.he} earn <all>?\n"
     "How much does {A} pay for {X.a} that costs {a$} and {Y.a} that costs {b$}?\n"
     "{A} got [a {X.1}|{X}] for {a$!} and [a {Y.1}|{Y}] for {b$!}. What did {A.he} pay?\n"
     "{A} paid {a$!} for {X} and {b$!} for {Y} at the {S:shop}. In total, how much [money|] did {A} spend?\n"
     "{A} sold {X.a} for {a$}. That was {b$} less than {A.he} paid for it. What had {A.he} paid?"},
    {1, 5, "b=P;c=P;a=b+c", "a-b",
     "{A} had {a$}. {A.he} [spent|paid] {b$} [on|for] {X.a}. How much [money|] does {A.he} have left?\n"
     "{A} has {a$}. {A.he} buys {X.a} for {b$}. How much [money|] is left?\n"
     "{A} pays for {X.a} that costs {b$} with {a$}. How much change does {A.he} get?\n"
     "{A} gave the clerk {a$!} for {X.a} that cost {b$!}. What was the change?\n"
     "A {X.1} costs {a$}. {A} has {b$}. How much more does {A.he} need?\n"
     "The price of {X.a} fell from {a$} to {b$}. [How much cheaper is it|By how much did it fall]?\n"
     "A {X.1} that cost {b$} now costs {a$}. By how much did the price rise?\n"
     "{A} spent {a$} on {X} and {Y}. The {Y} cost {b$}. How much were the {X}?\n"
     "{A} owes {B} {a$}. {A.he} pays back {b$}. How much does {A.he} still owe?\n"
     "{A} [earned|got] {a$} and spent {b$} of it. How much did {A.he} keep?\n"
     "{A} had {a$} in {A.his} piggy bank. After taking out {b$}, how much was left?"},
    {1, 5, "a=U;b=S", "a*b",
     "{A} buys {b} {X} at {a$} each. How much does {A.he} pay?\n"
     "One {X.1} costs {a$!}. What do {b} {X} cost?\n"
     "{A} sold {b} {X} for {a$} each. How much [money|] did {A.he} [make|earn|get]?\n"
     "Tickets cost {a$} each. How much do {b} tickets cost?\n"
     "{A} charges {a$} for {V:job}. How much does {A.he} earn if {A.he} does it {b} times?\n"
     "At the {S:shop}, {X} are {a$!} each. {A} takes {b}. What is the price?"},
    {2, 5, "a=U;b=S;c=U;d=S", "a*b+c*d",
     "{A} buys {b} {X} at {a$} each and {d} {Y} at {c$} each. How much does {A.he} spend <all>?\n"
     "{A} bought {b} {X} for {a$} each and {d} {Y} for {c$} each. What was the total?\n"
     "A {X.1} costs {a$!} and a {Y.1} costs {c$!}. How much do {b} {X} and {d} {Y} cost?\n"
     "{A} sells {b} {X} at {a$} each and {d} {Y} at {c$} each. How much does {A.he} earn?\n"
     "Adult tickets cost {a$!} and child tickets cost {c$!}. How much do {b} adults and {d} children pay?"},
    {2, 5, "a=U;b=S;d=P;c=a*b+d", "c-a*b",
     "{A} has {c$}. {A.he} buys {b} {X} at {a$} each. How much is left?\n"
     "{A} pays with {c$} for {b} {X} that cost {a$} each. How much change does {A.he} get?\n"
     "{A} had {c$} and bought {b} {X}. Each cost {a$}. How much does {A.he} have now?\n"
     "{X} cost {a$!} each. {A} buys {b} and hands over {c$!}. What is the change?"},
    {2, 5, "a=P;b=P;d=P;c=a+b+d", "c-(a+b)",
     "{A} has {c$}. {A.he} buys {X.a} for {a$} and {Y.a} for {b$}. How much is left?\n"
     "A {X.1} costs {a$!} and a {Y.1} {b$!}. {A} pays with {c$!}. How much change does {A.he} get?\n"
     "{A} earned {c$}. {A.he} spent {a$} on {X} and {b$} on {Y}. How much does {A.he} have left?"},
    {1, 5, "a=P;b=P;c=P", "a+b+c",
     "{A} bought {X.a} for {a$}, {Y.a} for {b$} and {Z.a} for {c$}. How much did {A.he} spend <all>?\n"
     "{A} spent {a$!} on {X}, {b$!} on {Y}, and {c$!} on {Z}. What is the total?\n"
     "{A} has {a$}, {B} has {b$} and {C} has {c$}. How much do they have together?"},
    {2, 5, "b=2~9;c=U;d=P;a=b*c+d", "(a-d)/b",
     "{A} paid {a$} for {b} {X} and {Y.a}. The {Y.1} cost {d$}. How much was one {X.1}?\n"
     "{A} had {a$}. {A.he} bought {b} {X} and had {d$} left. What did one {X.1} cost?"},
    {2, 5, "a=S;b=S", "a*25+b*10",
     "{A} has {a~} quarters and {b~} dimes. How many cents is that?\n"
     "How many cents are {a~} quarters and {b~} dimes worth?"},
    {2, 5, "a=S;b=S", "a*10+b*5",
     "{A} has {a~} dimes and {b~} nickels. How many cents does {A.he} have?\n"
     "How many cents are {a~} dimes and {b~} nickels?"},
    {2, 5, "a=U;b=S;c=2~9", "a*b*c",
     "{A} buys {b} {X} every [1:day|week]. Each costs {a$}. How much does {A.he} spend in {c} [1:days|weeks]?\n"
     "{A} earns {a$} an hour and works {b} hours a day. How much does {A.he} earn in {c} days?"},
    {2, 5, "a=U;b=S;c=a*(1~4)+1;c>a;c<100", "(c-a)*b",
     "{A} buys {X} for {a$} each and sells them for {c$} each. How much does {A.he} gain on {b} {X}?\n"
     "{A} makes {X} for {a$} and sells them for {c$}. What is the profit on {b} {X}?"},
};
const nb_story_list nb_stories_money = {money, sizeof money / sizeof money[0]};

static const nb_story percent[] = {
    {1, 5, "c=C;b=T;a=b*c/100;c<101", "b*c/100",
     "What is {c~}% of {b~}?\n"
     "What is {c~} percent of {b~}?\n"
     "<compute> {c~}% of {b~}[?|.]\n"
     "How much is {c~} percent of {b~}?"},
    {1, 5, "c=C;d=T;b=d*10;a=b*c/100;a%1<1", "b*c/100",
     "There are {b} {X} in the {L:place}. {c~}% of them are {Q}. How many {X} are {Q}?\n"
     "{c~} percent of the {b} {X:people} [came|said yes|walk to school|play {H:game}]. How many is that?\n"
     "{A} has {b} {X} and gives {c~}% of them to {B}. How many {X} does {B} get?\n"
     "A test has {b} questions. {A} got {c~}% of them right. How many did {A.he} get right?\n"
     "{A} earned {b$} and saved {c~}% of it. How much did {A.he} save?"},
    {2, 5, "c=C;b=T;a=b*c/100;c<90", "b-b*c/100",
     "A {X.1} costs {b$}. It is {c~}% off. What is the sale price?\n"
     "The price of {X.a} is {b$} and falls by {c~} percent. What is the new price?\n"
     "{A} has {b$} and spends {c~}% of it. How much is left?\n"
     "{A} buys {X.a} for {b$} with a discount of {c~}%. How much does {A.he} pay?"},
    {2, 5, "c=C;b=T;a=b*c/100", "b+b*c/100",
     "A {X.1} costs {b$}. The price rises by {c~}%. What is the new price?\n"
     "{A} earned {b$} and got a raise of {c~} percent. How much does {A.he} earn now?\n"
     "A meal costs {b$}. {A} adds a tip of {c~}%. How much does {A.he} pay?"},
    {2, 5, "b=1~19;c=5*b;d=2~40;e=20*d;a=e*c/100", "a*100/e",
     "{a} of the {e} {X} in the {K} are {Q}. What percent is that?\n"
     "{A} got {a} of {e} questions right. What percent is that?\n"
     "What percent of {e~} is {a~}?"},
};
const nb_story_list nb_stories_percent = {percent, sizeof percent / sizeof percent[0]};
