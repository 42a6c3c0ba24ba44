// SPDX-License-Identifier: Apache-2.0
// Taking away: what is left.
#include "apps/tutor/traces/story.h"

static const nb_story taking[] = {
    {1, 5, "b=N;c=N;a=b+c", "a-b",
     "<when>{A} <Has> {a} {X}. {A.he} <lose> {b} [of them|{X}|of the {X}]. How many {X} does {A} have <left>?\n"
     "{A} <Has> {a} {X}. [Then|Later|After that|The next day], {A.he} <loseones> {b} [of them|{X}|]. How many {X} does "
     "{A} have <now>?\n"
     "{A} <Has> {a} {X}. {A.he} [gave|gives|handed|sold|lent] {b} [of them|{X}|of the {X}] to {B}. How many {X} does "
     "{A} have [left|now]?\n"
     "{A} <Has> {a} {X} and [gave|gives|sold] {b} to {A.his} {J:family}. How many {X} are <left>?\n"
     "{A} <Has> {a} {X} but [lost|broke|dropped|used] {b} [of them|]. How many {X} [does {A.he} have left|are left]?\n"
     "{A} [has|had] {a} {X:food}. {A.he} <eat> {b} [of them|]. How many {X} [are left|remain|does {A.he} have left]?\n"
     "{A} [baked|made|bought|picked] {a} {X:food} and {A.his} {J:family} [ate|took] {b}. How many {X} are <left>?\n"
     "There [are|were] {a} {X} in the {K}. {A} [took|takes|removed|took out] {b} [of them|{X}|]. How many {X} are "
     "[left|"
     "still] in the {K}?\n"
     "There [are|were] {a} {X} on the {S:shelf}. {A} [took|sold|moved|removed] {b}. How many {X} [are left|remain] on "
     "the "
     "{S}?\n"
     "[There were|There are] {a} {X:animal} in the {L:place}. {b} [of them|{X}] [left|went away|ran off|moved away]. "
     "How "
     "many {X} [are left|stayed|remain]?\n"
     "{a} {X:animal} were [sitting|resting|eating|playing] <in> the {L:place}. Then {b} [of them|] [left|went "
     "home|walked "
     "away]. How many {X} are <left>?\n"
     "{a} {X:people} were [on the bus|on the train|in the {L:place}|at the party]. {b} [got off|went home|left]. How "
     "many {X} are [still there|left|there now]?\n"
     "{A} has {a} {X}. If {A.he} [gives|sells|loses|lends] {b} [to {B}|], how many {X} will {A.he} have [left|]?\n"
     "If {A} has {a} {X} and <loseones> {b} of them, how many {X} are <left>?\n"
     "A {L:shop} had {a} {X:goods}. [It sold|They sold|Customers bought] {b} [on {W}|today|in the {U:time}|]. How many "
     "{X} "
     "[does the {L} have|are] [left|now]?\n"
     "{A} had {a} {X} in {A.his} {K}. {b} [fell out|were lost|broke|were stolen|went missing]. How many {X} are in the "
     "{K} "
     "now?\n"
     "{A} started with {a} {X}. {B} [took|takes|borrowed] {b} away. How many {X} does {A} [end with|have left]?\n"
     "A book has {a} pages. {A} has read {b} [pages|of them]. How many pages [are left|does {A.he} still have to "
     "read|must "
     "{A.he} still read]?\n"
     "{A} has to [make|pack|sell|paint] {a} {X}. {A.he} has already done {b}. How many {X} are left to do?\n"
     "[The teacher|The {U:worker}|The coach|A {U:worker}] had {a} {X}. After handing out {b}, how many {X} were "
     "<left>?\n"
     "{b} of the {a} {X} [in the {K}|that {A} has] are broken. How many are not broken?\n"
     "Out of {a} {X:people}, {b} [went home|are sick|are absent|left early]. How many {X} [are still here|stayed]?\n"
     "The {L:place} has {a} {X:plant}. [Workers|They] cut down {b} of them. How many {X} [remain|will be left]?\n"
     "A {U:long} is {a} [feet|meters|inches|centimeters] long. {A} cuts off {b}. How long is the rest?"},
    {1, 5, "b=N;c=N;a=b+c", "a-b",
     // the other part
     "{A} has {a} {X}. {b} of them are {Q} and the [rest|others] are {R}. How many {R} {X} does {A} have?\n"
     "There are {a} {X} in the {K}. {b} are {Q} and the rest are {R}. How many are {R}?\n"
     "{A} and {B} have {a} {X} [together|in all|altogether]. {A} has {b} [of them|{X}|]. How many {X} does {B} have?\n"
     "There are {a} {X:people} in the {L:place}. {b} are [girls|women|adults] and the rest are [1:boys|men|children]. "
     "How many "
     "of them are [1:boys|men|children]?\n"
     "[There are|There were] {a} animals on the farm. {b} of them are {X:animal} and the rest are {Y:animal}. How many "
     "{Y} "
     "are there?\n"
     "{A} [found|picked|bought|has] {a} {X}, of which {b} are {P:quality}. How many are not {P}?\n"
     "{A} [found|picked|bought] {a} {X} and {Y}. {b} were {X}. How many were {Y}?\n"
     "A class has {a} students. {b} of them [walk to school|like {G:subject}|play {H:game}]. How many do not?\n"
     "{A} [walked|ran|drove|biked] {a} miles in two days. On the first day {A.he} did {b} miles. How many miles did "
     "{A.he} "
     "do on the second day?\n"
     "Of the {a} {X} in the {L:shop}, {b} are {Q}. The others are {R}. How many {R} {X} are there?"},
    {1, 5, "b=N;c=N;d=N;a=b+c+d", "a-b-c",
     "{A} <Has> {a} {X}. {A.he} gave {b} to {B} and {c} to {C}. How many {X} does {A} have <left>?\n"
     "{A} <Has> {a} {X}. {A.he} [lost|sold|used|ate] {b} on {V:day} and {c} on {W}. How many {X} are <left>?\n"
     "There are {a} {X} in the {K}. {b} are {Q}, {c} are {R} and the rest are {P:color}. How many {P} {X} are there?\n"
     "{A} [baked|made|bought] {a} {X:food}. {A.he} ate {b} and gave {c} to {A.his} {J:family}. How many {X} are left?\n"
     "A {L:shop} had {a} {X:goods}. It sold {b} in the morning and {c} in the afternoon. How many {X} are left?\n"
     "{A}, {B} and {C} have {a} {X} together. {A} has {b} and {B} has {c}. How many {X} does {C} have?"},
    {1, 5, "b=N;d=N;a=b+d;c=N", "a-b+c",
     "{A} <Has> {a} {X}. {A.he} gave {b} to {B} and then <get> {c} more. How many {X} does {A} have <now>?\n"
     "There were {a} {X:people} on the bus. {b} got off and {c} got on. How many {X} are on the bus now?\n"
     "{A} <Has> {a} {X}. {A.he} <loseones> {b} but [found|bought|got] {c} [more|others|new ones]. How many {X} does "
     "{A.he} have?\n"
     "A {L:shop} has {a} {X:goods}. It sells {b} and [gets|receives|orders] {c} more. How many {X} does it have then?"},
    {1, 5, "a=N;b=N;c=2~(a+b)", "a+b-c",
     "{A} <Has> {a} {X}. {A.he} <get> {b} more. Then {A.he} <lose> {c}. How many {X} does {A} have <left>?\n"
     "{A} has {a} {Q} {X} and {b} {R} {X}. {A.he} gives {c} of them to {B}. How many {X} does {A} keep?\n"
     "{A} [1:found|bought|picked] {a} {X} and {B} [1:found|bought|picked] {b}. {C} took {c} of them. How many {X} [are "
     "left|do "
     "{A} and {B} still have]?\n"
     "{A} picked {a} {X:food} and {B} picked {b}. They ate {c} {X}. How many are left?"},
    {1, 5, "b=N;c=N;a=b+c;d=N", "a-b",
     // what does not matter
     "{A} has {a} {X} and {d} {Y}. {A.he} <lose> {b} {X}. How many {X} does {A} have <left>?\n"
     "{A} [grew|picked|bought] {a} {X} and {d} {Y}. The [birds|rabbits|children|neighbors] [took|ate] {b} of the {X}. "
     "How "
     "many {X} does {A} have left?\n"
     "There are {a} {X} and {d} {Y} in the {K}. {A} takes out {b} {X}. How many {X} are still there?\n"
     "{A} bought {a} {X} for {d$} and gave {b} of them to {B}. How many {X} does {A} have left?"},
};
const nb_story_list nb_stories_taking = {taking, sizeof taking / sizeof taking[0]};
