// SPDX-License-Identifier: Apache-2.0
// Equal groups: putting them together, dealing out, making groups.
#include "apps/tutor/traces/story.h"

static const nb_story groups[] = {
    {1, 5, "a=M;b=G", "a*b",
     "{A} has {b} {K.s} of {X}. Each {K} [has|holds|contains] {a} {X}. How many {X} does {A} have <all>?\n"
     "{A} has {b} {K.s} with {a} {X} in each [{K}|]. How many {X} does {A.he} have <all>?\n"
     "There are {b} {K.s} [of {X}|]. [Each|Every] {K} [has|holds|contains] {a} {X}. How many {X} are there <all>?\n"
     "There are {a} {X} in each {K}. How many {X} are in {b} {K.s}?\n"
     "[A|One|Each] {K} holds {a} {X}. How many {X} [are in|fit into|do] {b} {K.s} [hold|]?\n"
     "If there are {a} {X} in each {K} and there are {b} {K.s}, how many {X} are there <all>?\n"
     "If {A} has {b} {K.s} and each has {a} {X}, how many {X} does {A.he} have?\n"
     "{A} [bought|buys|packed|filled|ordered] {b} {K.s} of {X}. [There were|Each had|There are] {a} {X} in each {K}. "
     "How many "
     "{X} is that <all>?\n"
     "{A} put {a} {X} [in|into] each of {b} {K.s}. How many {X} did {A.he} use?\n"
     "{A} gave {a} {X} to each of {A.his} {b} [friends|cousins|classmates|students|neighbors]. How many {X} did {A.he} "
     "give "
     "away?\n"
     "{b} [friends|children|students|workers|players] each [brought|have|found|picked|made] {a} {X}. How many {X} [are "
     "there|"
     "is that|do they have] <all>?\n"
     "Each of {b} [friends|children|students|neighbors] [brings|has|needs|gets] {a} {X}. How many {X} is that <all>?\n"
     "Each {X.1} costs {a$}. How much do {b} {X} cost?\n"
     "{A} [buys|bought] {b} {X}. Each [one|{X.1}] costs {a$}. How much [does {A.he} pay|did {A.he} spend|is that "
     "<all>]?\n"
     "[One|A] {X.1} costs {a$}. {A} wants {b} of them. How much [money|] does {A.he} need?\n"
     "{X} cost {a$} each. How much [will|do] {b} {X} cost?\n"
     "{A} [reads|runs|swims|practices|walks] {a} [pages|laps|minutes|blocks] [every day|a day|each day]. How many does "
     "{A.he} do "
     "in {b} days?\n"
     "{A} [makes|earns|saves|gets] {a$} [a week|each day|an hour|every month]. How much is that after {b} [times|such "
     "payments]?\n"
     "{A} [earns|gets|is paid] {a$} for each hour. How much does {A.he} [earn|get] for {b} hours?\n"
     "There are {b} [rows|lines] of [chairs|seats|desks|{X}] with {a} in each row. How many are there <all>?\n"
     "{A} planted {b} rows of {X:plant} with {a} {X} in each row. How many {X} did {A.he} plant?\n"
     "{A} [plants|sets up|lays out] {a} {X} in every row. There are {b} rows. How many {X} are there?\n"
     "A {U:worker} makes {a} {X:goods} [a day|every day|each day|in one day]. How many {X} is that in {b} "
     "days?\n"
     "{A} [1:makes|bakes|sells|packs] {a} {X} [an hour|every hour|each hour]. How many {X} does {A.he} "
     "[1:make|bake|sell|pack] "
     "in {b} hours?\n"
     "A {S:shelf} holds {a} {X}. How many {X} [are on|can be put on|fit on] {b} {S.s}?\n"
     "{A} needs {a} {X} for each {Y.1}. How many {X} does {A.he} need for {b} {Y}?\n"
     "It takes {a} {X} to make one {Y.1}. How many {X} are needed for {b} {Y}?\n"
     "{b} {V:vehicle} [came|arrived|drove by] with {a} {X:people} in each. How many {X} is that?\n"
     "A [bus|train car|boat|room] has {a} seats. How many seats do {b} of them have?\n"
     "{A} drew {b} [pictures|stars|flowers] with {a} [1:dots|lines|colors] each. How many [1:dots|lines|colors] is "
     "that?\n"
     "{A} has {b} {X:animal}. Each of them eats {a} [1:apples|carrots|biscuits|handfuls of food] a day. How many "
     "[1:apples|"
     "carrots|biscuits|handfuls] is that every day?\n"
     "A recipe [needs|calls for|takes] {a} {X:food}. How many {X} are needed to make it {b} times?\n"
     "The {L:place} has {b} [floors|sections|rooms]. Each has {a} {X}. How many {X} does the {L} have?"},
    {1, 5, "a=1~8", "a*12",
     "{A} bought {a} dozen {X}. How many {X} is that?\n"
     "How many {X} are in {a} dozen?\n"
     "{A} has {a} {K.s} with a dozen {X} in each. How many {X} does {A.he} have?"},
    {1, 5, "a=2~60", "a*2",
     "{A} has {a} pairs of [socks|shoes|gloves|mittens]. How many single ones is that?\n"
     "How many [wheels|wings|legs|eyes] do {a} [bicycles|birds|ducks|chickens|owls] have, two each?"},
    {1, 5, "a=2~60", "a*4",
     "How many legs do {a} [horses|cows|dogs|cats|tables|sheep] have <all>, four each?\n"
     "Each [car|table|wagon] has four [wheels|legs]. How many are there on {a}?"},
    {1, 5, "a=S;b=M;c=S", "a*b*c",
     "{A} has {a} {K.s}. In each are {c} [bags|packs|trays] with {b} {X}. How many {X} is that <all>?\n"
     "There are {a} {S:shelf.s} with {c} {K.s} on each, and every {K} holds {b} {X}. How many {X} are there?\n"
     "{A} [reads|runs|writes] {b} [pages|laps|lines] {c} times a day. How many is that in {a} days?"},
    {2, 5, "a=M;b=G;c=N", "a*b",
     "{A} has {b} {K.s} of {X} and {c} {Y}. Each {K} holds {a} {X}. How many {X} does {A} have?\n"
     "It took {A} {c} minutes to fill {b} {K.s} with {a} {X} each. How many {X} did {A.he} use?\n"
     "{A} bought {b} {K.s} of {X} for {c$}. Each has {a} {X} in it. How many {X} did {A.he} get?"},
};
const nb_story_list nb_stories_groups = {groups, sizeof groups / sizeof groups[0]};

static const nb_story sharing[] = {
    // how many each
    {1, 5, "b=B;c=M;a=b*c", "a/b",
     "{A} has {a} {X}. {A.he} shares them [equally|evenly|fairly] among {b} "
     "[friends|children|cousins|people|classmates]. How "
     "many {X} does each [one|of them|friend|person] get?\n"
     "{A} shared {a} {X} among {b} [friends|children|students]. They all got the same number. How many did each get?\n"
     "{a} {X} are shared equally among {b} [friends|children|people|players]. How many {X} does each get?\n"
     "{A} [divides|splits|deals] {a} {X} [equally|evenly] among {A.his} {b} [friends|cousins|dogs|nieces]. How many "
     "does each "
     "get?\n"
     "{A} has {a} {X} and {b} {K.s}. {A.he} puts the same number [of {X}|] in each {K}. How many {X} are in each {K}?\n"
     "{A} [puts|put|packs|packed|sorted] {a} {X} equally into {b} {K.s}. How many {X} are in each [{K}|]?\n"
     "There are {a} {X} in {b} {K.s}. Each {K} has the same number. How many {X} are in one {K}?\n"
     "If {a} {X} are put equally into {b} {K.s}, how many {X} are in each {K}?\n"
     "If {A} [divides|splits|sorts] {a} {X} into {b} equal [groups|piles|parts], how many are in each?\n"
     "{A} has {a} {X}. They are [sorted|organized|arranged] into {b} [equal groups|groups of the same size]. How [big "
     "is each "
     "group|many {X} are in each group]?\n"
     "{b} {X} cost {a$}. How much does one {X.1} cost?\n"
     "{A} paid {a$} for {b} {X}. [All cost the same.|] How much did each [{X.1}|one] cost?\n"
     "{A} bought {b} {X} for {a$}. What is the price of one {X.1}?\n"
     "{A} read {a} pages in {b} days, the same number every day. How many pages did {A.he} read each day?\n"
     "A book has {a} pages. {A} wants to read it in {b} days. How many pages must {A.he} read a day?\n"
     "{a} {X:people} [form|make|are split into] {b} equal [teams|groups|lines]. How many {X} are on each [team|]?\n"
     "{a} {X:plant} are planted in {b} equal rows. How many {X} are in a row?\n"
     "{A} earned {a$} in {b} [hours|days|weeks]. How much is that [an hour|each time|for one]?\n"
     "{b} [friends|sisters|workers] earned {a$} together and share it equally. How much does each get?\n"
     "{b} people paid {a$} [in all|together] for [tickets|lunch|a gift], each the same. How much did each pay?\n"
     "{b} {K.s} hold {a} {X} [in all|together]. How many {X} does one {K} hold?\n"
     "{A} cut a {U:long} of {a} [feet|inches|meters|centimeters] into {b} equal pieces. How long is each piece?\n"
     "{A} drove {a} miles in {b} [days|trips|hours], the same each time. How many miles was that each time?\n"
     "[A {U:worker}|{A}] made {a} {X:goods} in {b} hours. How many is that an hour?"},
    // how many groups
    {1, 5, "b=B;c=M;a=b*c", "a/b",
     "{A} has {a} {X}. {A.he} puts {b} [{X}|] in each {K}. How many {K.s} does {A.he} [need|fill|use]?\n"
     "A {K} holds {b} {X}. How many {K.s} are needed for {a} {X}?\n"
     "{A} has {a} {X}. Each {K} [can hold|holds] {b}. How many {K.s} does {A} need?\n"
     "{a} {X} are packed in {K.s} of {b}. How many {K.s} are there?\n"
     "How many {K.s} of {b} {X} can be filled with {a} {X}?\n"
     "{A} [wants|is trying] to put {a} {X} into {K.s} [with|of] {b} each. How many {K.s} [are needed|does {A.he} "
     "need]?\n"
     "{A} gives {b} {X} to each [friend|child|student|guest]. {A.he} has {a} {X}. How many [people|of them] get some?\n"
     "Each [friend|child|player|student] gets {b} {X}. How many can be served with {a} {X}?\n"
     "{X} cost {b$} each. How many [{X}|] can {A} buy with {a$}?\n"
     "{A} has {a$}. A {X.1} costs {b$}. How many {X} can {A.he} buy?\n"
     "{A} spent {a$} on {X}. Each cost {b$}. How many {X} did {A.he} buy?\n"
     "{A} saves {b$} [a week|each month|a day]. How many of them does it take to save {a$}?\n"
     "{A} [reads|writes|learns] {b} [pages|lines|words] a day. How many days does {A.he} need for {a}?\n"
     "{A} [makes|bakes|packs] {b} {X} an hour. How many hours does {A.he} need for {a} {X}?\n"
     "{a} {X:people} go in [1:vans|boats|cars] with {b} in each. How many [1:vans|boats|cars] are there?\n"
     "The {U:worker} puts {a} {X:people} into groups of {b}. How many groups are there?\n"
     "{A} plants {a} {X:plant} in rows of {b}. How many rows are there?\n"
     "A {U:long} of {a} [feet|meters|inches] is cut into pieces of {b}. How many pieces are there?\n"
     "It takes {b} {X} to make a {Y.1}. How many {Y} can {A} make with {a} {X}?\n"
     "{A} earns {b$} an hour. How many hours must {A.he} work to earn {a$}?\n"
     "{A} has {a} {X:goods} to sell in {K.s} of {b}. How many {K.s} can {A.he} sell?"},
    {1, 5, "a=2~40;b=12*a", "b/12", "{A} has {b} {X}. How many dozen is that?\nHow many dozens are in {b} {X}?"},
    {2, 5, "b=B;c=M;a=b*c;d=N", "a/b",
     "{A} has {a} {X} and {d} {Y}. {A.he} shares the {X} equally among {b} friends. How many {X} does each friend "
     "get?\n"
     "It took {d} minutes to put {a} {X} into {b} {K.s}, the same number in each. How many {X} are in a {K}?\n"
     "{A} has {d} {Y} and {a} {X}. Each {K} holds {b} {X}. How many {K.s} does {A.he} need for the {X}?"},
};
const nb_story_list nb_stories_sharing = {sharing, sizeof sharing / sizeof sharing[0]};
