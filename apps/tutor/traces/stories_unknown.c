// SPDX-License-Identifier: Apache-2.0
// What is not told is the start, the change or the other part.
#include "apps/tutor/traces/story.h"

static const nb_story unknown[] = {
    // start, before something was given away
    {1, 5, "b=N;c=N", "c+b",
     "{A} had some {X}. {A.he} [gave|sold|lent|handed] {b} [of them|{X}|] to {B}. Now {A.he} has {c} [{X} "
     "left|{X}|left]. "
     "How many {X} did {A} have [at first|to start with|in the beginning|before|originally]?\n"
     "{A} <loseones> {b} {X}. {A.he} has {c} [left|{X} left|now]. How many {X} did {A} [have at first|start with|have "
     "before]?\n"
     "After [giving|selling|lending] {b} {X} to {B}, {A} has {c} [left|{X}]. How many {X} did {A.he} have [before|at "
     "the "
     "start]?\n"
     "{A} [gave|sold] {B} {b} of {A.his} {X}. {A.he} now has {c} {X} left. How many {X} did {A} have to start with?\n"
     "Some {X} were in the {K}. {A} took {b} out and {c} are left. How many {X} were in the {K} at first?\n"
     "{A} ate {b} {X:food} and there are {c} left. How many {X} were there [before|at the beginning|in all]?\n"
     "{b} {X:people} [left|got off|went home] and {c} [stayed|are still there]. How many {X} were there [at "
     "first|before]?\n"
     "{A} used {b} {X} [to make a {Y.1}|for school|yesterday] and has {c} left. How many {X} did {A.he} have at "
     "first?\n"
     "A {L:shop} sold {b} {X:goods} and has {c} left. How many {X} did it have [at first|before|in the morning]?\n"
     "{A} spent {b$} and has {c$} left. How much [money|] did {A.he} have [at first|before|to begin with]?"},
    // start, before something came
    {1, 5, "x=N;b=N;c=x+b", "c-b",
     "{A} had some {X}. {B} gave {A.him} {b} more. Now {A} has {c} [{X}|]. How many {X} did {A.he} have [at "
     "first|before|to "
     "start with|in the beginning]?\n"
     "{A} <get> {b} {X} and now has {c}. How many {X} did {A.he} have before?\n"
     "After [finding|buying|getting|winning] {b} more {X}, {A} has {c} {X}. How many did {A.he} have at first?\n"
     "There were some {X:people} on the bus. {b} more got on, and now there are {c}. How many {X} were on the bus "
     "before?\n"
     "Some {X:animal} were in the {L:place}. {b} more came. Now there are {c} {X}. How many were there at first?\n"
     "{A} earned {b$} and now has {c$}. How much did {A.he} have before?\n"
     "[Workers|The {U:worker}] planted {b} {X:plant} today. Now there are {c} {X} in the {L:place}. How many {X} were "
     "there before?"},
    // the change that came
    {1, 5, "a=N;x=N;c=a+x", "c-a",
     "{A} had {a} {X}. {B} gave {A.him} some more. Now {A} has {c} {X}. How many {X} did {B} give {A.him}?\n"
     "{A} <Has> {a} {X}. {A.he} [1:found|bought|got|picked|won] some more and [now has|has now] {c}. How many did "
     "{A.he} "
     "[1:find|buy|get|pick|win]?\n"
     "There were {a} {X} in the {K}. {A} put in some more. Now there are {c}. How many {X} did {A} put in?\n"
     "There [are|were] {a} {X:plant} in the {L:place}. [Workers|The {U:worker}] planted more today. [When they were "
     "done|"
     "Now|Afterwards], there are {c} {X}. How many {X} were planted?\n"
     "{A} has {a} {X}. How many more {X} does {A.he} need to have {c}?\n"
     "{A} has {a} {X} and needs {c}. How many [more|more {X}] must {A.he} [get|find|buy]?\n"
     "{A} needs {c} {X}. {A.he} [has|already has|has only] {a}. How many more {X} does {A.he} need?\n"
     "{A} wants to [save|collect] {c$} and has {a$}. How much more does {A.he} need?\n"
     "A {X.1} costs {c$} and {A} has {a$}. How much more money does {A.he} need?\n"
     "{a} {X:people} were at the {L:place}. More came, and then there were {c}. How many came?\n"
     "The {J:family} of {A} had {a} {X}. On {W} there were {c}. How many {X} came [to them|]?\n"
     "{A} has read {a} pages of a book that has {c} pages. How many pages are left to read?\n"
     "{A} [biked|walked|ran|drove] {a} miles [in the morning|yesterday]. After the {U:time} {A.he} had done {c} miles "
     "in all. How "
     "many miles did {A.he} do in the {U}?\n"
     "{A} had {a} {X} [at the start of|before] the [game|day|week] and {c} at the end. How many {X} did {A.he} "
     "[win|gain|"
     "get]?\n"
     "{A} had {a} {X}. After [{A.his} birthday|the party|a trip|the fair] {A.he} had {c}. How many {X} did {A.he} "
     "get?"},
    // the change that went
    {1, 5, "b=N;c=N;a=b+c", "a-c",
     "{A} had {a} {X}. {A.he} gave some to {B}. Now {A.he} has {c} [{X}|left]. How many {X} did {A.he} give [to "
     "{B}|away]?\n"
     "{A} <Has> {a} {X}. {A.he} [1:lost|sold|used|broke|ate] some [of them|] and has {c} left. How many {X} did {A.he} "
     "[1:lose|sell|use|break|eat]?\n"
     "{A} [found|picked|collected|bought] {a} {X} [at the {L:place}|]. {A.he} gave {B} some of [them|{A.his} {X}]. "
     "{A.he} "
     "has {c} {X} [left|now]. How many {X} did {A.he} give to {B}?\n"
     "There were {a} {X} in the {K}. {A} took some out. Now there are {c} {X} in it. How many {X} did {A} take?\n"
     "There were {a} {X:people} [on the bus|in the {L:place}]. Some left, and {c} stayed. How many {X} left?\n"
     "{A} had {a$}. After [shopping|buying {X.a}|the fair|paying] {A.he} had {c$} left. How much did {A.he} "
     "[spend|pay]?\n"
     "A {L:shop} had {a} {X:goods} [1:in the morning|on {V:day}] and {c} [1:in the evening|on {W}]. How many were "
     "sold?\n"
     "{A} [baked|made] {a} {X:food}. After the party {c} were left. How many were eaten?\n"
     "{A} had {a} {X} before {A.he} gave some to {A.his} {J:family}. {A.he} has {c} now. How many {X} did {A.his} {J} "
     "get?\n"
     "{a} {X:animal} sat [on a fence|in a tree|on a roof]. Some [flew away|ran away|left], so {c} were left. How many "
     "left?"},
    // the other part
    {1, 5, "b=N;c=N;a=b+c", "a-b",
     "{A} and {B} [1:found|picked|have|collected] {a} {X} <all>. {A} [1:found|picked|has|collected] {b}. How many did "
     "{B} "
     "[1:find|pick|have|collect]?\n"
     "{A} has {a} {X} in two {K.s}. One {K} holds {b}. How many are in the other {K}?\n"
     "{A} <has> {a} {X}. Some are {Q} and {b} are {R}. How many are {Q}?\n"
     "{A} paid {a$} for {X.a} and {Y.a}. The {X.1} cost {b$}. How much did the {Y.1} cost?\n"
     "[Together|In all], two {L:place.s} have {a} {X}. One has {b}. How many does the other have?\n"
     "{A} sold {a} {X} on two days. On {V:day} {A.he} sold {b}. How many did {A.he} sell on {W}?\n"
     "There are {a} {X:people} and {Y:people} in the room. {b} of them are {X}. How many {Y} are there?\n"
     "{A} [ate|used|read] some {X:food} on {V:day} and {b} on {W}, {a} in all. How many on {V}?"},
};
const nb_story_list nb_stories_unknown = {unknown, sizeof unknown / sizeof unknown[0]};

static const nb_story comparison[] = {
    // how many more or fewer
    {1, 5, "b=N;c=N;a=b+c", "a-b",
     "{A} has {a} {X}. {B} has {b} {X}. How many more {X} does {A} have [than {B}|]?\n"
     "{A} has {a} {X} and {B} has {b}. How many more {X} does {A} have than {B}?\n"
     "{A} has {a} {X}. {B} has {b}. How many fewer {X} does {B} have than {A}?\n"
     "{A} has {b} {X} and {B} has {a} {X}. How many fewer does {A} have?\n"
     "{A} has {b} {X} and {B} has {a}. [Who has more, and by how many?|What is the difference?|By how many does {B} "
     "have "
     "more?]\n"
     "{A} has {a} {X} and {b} {Y}. How many more {X} than {Y} does {A.he} have?\n"
     "There are {a} {X} and {b} {Y} in the {K}. How many more {X} than {Y} are there?\n"
     "{A} has {a} {Q} {X} and {b} {R} {X}. How many more {Q} {X} than {R} {X} does {A.he} have?\n"
     "There are {a} {X:people} and {b} {Y:people} [at the {L:place}|in the room]. How many more {X} than {Y} are "
     "there?\n"
     "{A} [1:sold|picked|made|found|read] {a} {X} and {B} [1:sold|picked|made|found|read] {b}. How many more did {A} "
     "do "
     "than {B}?\n"
     "{A} [scored|got] {a} points and {B} {b} points. By how many points did {A} [win|beat {B}]?\n"
     "{A} is {a} [centimeters|inches] tall and {B} is {b}. How much taller is {A}?\n"
     "A {X.1} costs {a$} and a {Y.1} costs {b$}. How much more does the {X.1} cost?\n"
     "{A} spent {a$} and {B} spent {b$}. How much more did {A} spend than {B}?\n"
     "[One|The {Q}] {U:long} is {a} feet long. [Another|The {R}] {U} is {b} feet long. How much longer is the "
     "[first|{Q} one|"
     "longer one]?\n"
     "{a} {X:people} came on {V:day} and {b} on {W}. How many more came on {V}?\n"
     "How many more is {a} {X} than {b} {X}?\n"
     "The {L:place} is {a} miles away and the {S:shop} is {b} miles away. How much farther is the {L}?\n"
     "{A} needs {a} {X}, but {A.he} has only {b}. How many is {A.he} short?"},
    // more, fewer
    {1, 5, "a=N;b=N", "a+b",
     "{A} has {a} {X}. {B} has {b} more [{X}|] than {A}. How many {X} does {B} have?\n"
     "{A} has {a} {X} and {B} has {b} more than {A.him}. How many does {B} have?\n"
     "{B} has {b} more {X} than {A}. {A} has {a} [{X}|]. How many {X} does {B} have?\n"
     "{A} has {a} {X}, which is {b} fewer than {B} has. How many {X} does {B} have?\n"
     "{A} has {b} fewer {X} than {B}. {A} has {a}. How many does {B} have?\n"
     "A {X.1} costs {a$}. A {Y.1} costs {b$} more. How much does the {Y.1} cost?\n"
     "There are {a} {X} in the {K}. There are {b} more {Y} than {X}. How many {Y} are there?\n"
     "{A} [ran|walked|biked] {a} miles. {B} went {b} miles farther. How far did {B} go?\n"
     "{A} [1:sold|picked|read|made] {a} {X}, {b} less than {B}. How many did {B} [1:sell|pick|read|make]?\n"
     "Last year {a} {X:people} came. This year {b} more came. How many came this year?"},
    {1, 5, "b=N;c=N;a=b+c", "a-b",
     "{A} has {a} {X}. {B} has {b} fewer [{X}|] than {A}. How many {X} does {B} have?\n"
     "{A} has {a} {X}, which is {b} more than {B} has. How many {X} does {B} have?\n"
     "{A} has {b} more {X} than {B}. {A} has {a}. How many does {B} have?\n"
     "{B} has {b} less {X} than {A}, who has {a}. How many {X} does {B} have?\n"
     "A {X.1} costs {a$}. A {Y.1} costs {b$} less. How much does the {Y.1} cost?\n"
     "{A} [1:sold|picked|made|found|read] {a} {X}. {B} [1:sold|picked|made|found|read] {b} fewer. How many is that?\n"
     "{A} is {a} years old. {B} is {b} years younger. How old is {B}?\n"
     "{A} weighs {a} pounds, {b} pounds more than {B}. How much does {B} weigh?"},
    // times as many
    {1, 5, "a=M;b=S", "a*b",
     "{A} has {a} {X}. {B} has {b*} as many [{X}|] [as {A}|]. How many {X} does {B} have?\n"
     "{B} has {b*} as many {X} as {A}, who has {a}. How many does {B} have?\n"
     "{A} [1:found|picked|sold|read|made] {a} {X}. {B} [1:found|picked|sold|read|made] {b*} [as many|that many]. How "
     "many "
     "{X} is that?\n"
     "A {X.1} costs {a$}. A {Y.1} costs {b*} as much. How much is a {Y.1}?\n"
     "There are {a} {X} and {b*} as many {Y}. How many {Y} are there?\n"
     "{A} has {a} {Q} {X} and {b*} as many {R} ones. How many {R} {X} does {A.he} have?\n"
     "{A} [walked|ran] {a} miles. {B} went {b*} as far. How far did {B} go?\n"
     "The {Q} {U:long} is {a} feet long. The {R} one is {b*} as long. How long is the {R} {U}?"},
    {1, 5, "b=S;c=M;a=b*c", "a/b",
     "{A} has {a} {X}. {A.he} has {b*} as many [{X}|] as {B}. How many {X} does {B} have?\n"
     "{A} has {b*} as many {X} as {B}. {A} has {a}. How many does {B} have?\n"
     "{A} has {a} {X}, {b*} as many as {B}. How many {X} does {B} have?\n"
     "A {X.1} costs {a$}, {b*} as much as a {Y.1}. How much does a {Y.1} cost?\n"
     "{A} [1:picked|sold|found|read] {a} {X}, which is {b*} as many as {B}. How many did {B} [1:pick|sell|find|read]?"},
    {1, 5, "b=S;c=M;a=b*c", "a/c",
     "{A} has {a} {X}. {B} has {c} {X}. How many times as many {X} does {A} have as {B}?\n"
     "{A} has {a} {X} and {B} has {c}. {A} has how many times as many as {B}?\n"
     "A {X.1} costs {a$} and a {Y.1} costs {c$}. How many times as much does the {X.1} cost?"},
    {1, 5, "c=N;a=c*2", "a/2",
     "{A} has {a} {X}. {B} has half as many. How many {X} does {B} have?\n"
     "{B} has half as many {X} as {A}, who has {a}. How many {X} does {B} have?\n"
     "{A} has {a} {X} and gives half of them to {B}. How many {X} does {B} get?\n"
     "Half of the {a} {X} in the {K} are {Q}. How many {Q} {X} are there?\n"
     "{A} has {a} {X}, twice as many as {B}. How many {X} does {B} have?"},
    {2, 5, "a=M;b=S", "a*b+a",
     "{A} has {a} {X}. {B} has {b*} as many. How many {X} do they have <all>?\n"
     "{A} [1:picked|sold|made] {a} {X} and {B} [1:picked|sold|made] {b*} as many. How many {X} is that <all>?"},
    {2, 5, "a=M;b=S", "a*b-a", "{A} has {a} {X}. {B} has {b*} as many. How many more {X} does {B} have than {A}?"},
    {2, 5, "a=M;b=S;c=N", "a*b+c",
     "{A} has {a} {X}. {B} has {c} more than {b*} as many. How many {X} does {B} have?\n"
     "{B} has {c} more than {b*} as many {X} as {A}. {A} has {a}. How many {X} does {B} have?"},
    {2, 5, "a=M;b=S;c=1~(a*b-1)", "a*b-c",
     "{B} has {c} fewer than {b*} as many {X} as {A}. {A} has {a}. How many {X} does {B} have?"},
};
const nb_story_list nb_stories_comparison = {comparison, sizeof comparison / sizeof comparison[0]};
