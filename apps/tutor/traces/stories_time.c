// SPDX-License-Identifier: Apache-2.0
// Time, rates and ages.
#include "apps/tutor/traces/story.h"

static const nb_story time_stories[] = {
    {1, 5, "a=M", "a*60",
     "How many minutes are {a} hours?\nHow many seconds are {a} minutes?\n{A} [worked|slept|read|practiced] for {a} "
     "hours. How "
     "many minutes is that?\nChange {a~} hours to minutes."},
    {1, 5, "b=M;a=b*60", "a/60",
     "How many hours are {a} minutes?\nHow many minutes are {a} seconds?\nChange {a~} minutes to hours.\nA movie lasts "
     "{a} "
     "minutes. How many hours is that?"},
    {1, 5, "a=M", "a*7", "How many days are {a} weeks?\nA trip takes {a} weeks. How many days is that?"},
    {1, 5, "b=M;a=b*7", "a/7", "How many weeks are {a} days?\n{A} was away for {a} days. How many weeks is that?"},
    {1, 5, "a=M", "a*24", "How many hours are {a} days?\nHow many hours does {A} have in {a} days?"},
    {1, 5, "a=1~9;b=1~59", "a*60+b",
     "How many minutes are {a~} hours and {b~} minutes?\nA movie lasts {a~} hours {b~} minutes. How many minutes is "
     "that?\n"
     "{A} [drove|worked|slept] for {a~} hours and {b~} minutes. How many minutes is that?"},
    {1, 5, "h=1~11;d=12-h;a=1~d;e=h+a", "e-h",
     "A [movie|class|game|show|trip] starts at {h~} o'clock and ends at {e~} o'clock. How many hours does it last?\n"
     "{A} [worked|slept|played|studied] from {h~} o'clock to {e~} o'clock. How many hours is that?"},
    {1, 5, "h=1~10;d=12-h;a=1~d", "h+a",
     "It is {h~} o'clock. What hour will it be in {a} hours?\nA [game|class|trip] starts at {h~} o'clock and lasts {a} "
     "hours. At "
     "what hour does it end?"},
    {2, 5, "h=1~10;m=1~54;d=59-m;n=m+(1~d)", "n-m",
     "{A} [left|started|began] at {h~}:{m:2} and [arrived|stopped|finished] at {h~}:{n:2}. How many minutes did it "
     "take?\n"
     "How many minutes are there from {h~}:{m:2} to {h~}:{n:2}?"},
    {3, 5, "h=1~10;m=0~59;d=12-h;k=h+(1~d);n=0~59", "k*60+n-(h*60+m)",
     "A [movie|class|game|show|train ride] starts at {h~}:{m:2} and ends at {k~}:{n:2}. How many minutes does it "
     "last?\n"
     "{A} [left home|went out|started] at {h~}:{m:2} and [came back|returned|finished] at {k~}:{n:2}. How many minutes "
     "is that?\n"
     "How many minutes are there from {h~}:{m:2} to {k~}:{n:2}?"},
    {1, 5, "a=5*(1~11);b=5*(1~11)", "a+b",
     "{A} [read|ran|practiced|worked] for {a} minutes in the morning and {b} minutes in the evening. How many minutes "
     "is that "
     "<all>?\nThe bus ride takes {a} minutes and the walk takes {b} minutes. How long is the way?\n"
     "{A} spent {a} minutes on {G:subject} and {b} minutes on {V:job}. How many minutes is that <all>?"},
    {2, 5, "a=5*(1~11);b=S", "a*b",
     "{A} practices {a} minutes every day. How many minutes is that in {b} days?\n"
     "A lesson lasts {a} minutes. How many minutes do {b} lessons last?\n"
     "It takes {A} {a} minutes to make {X.a}. How long does {A.he} need for {b} {X}?"},
    {2, 5, "c=S;b=5*(1~11);a=b*c", "a/b",
     "{A} has {a} minutes. One game takes {b} minutes. How many games can {A.he} play?\n"
     "{A} practiced {a} minutes, {b} minutes each time. How many times did {A.he} practice?"},
    {2, 5, "a=1~4;b=5*(1~11)", "a*60-b",
     "A trip takes {a} hours. {A} has been under way for {b} minutes. How many minutes are left?\n"
     "{A} has {a} hours to finish. {A.he} has used {b} minutes. How many minutes does {A.he} have left?"},
    {2, 5, "a=2~9;b=2~9", "a*7+b",
     "How many days are {a} weeks and {b} days?\n{A} waits {a} weeks and {b} days. How many days is that?"},
};
const nb_story_list nb_stories_time = {time_stories, sizeof time_stories / sizeof time_stories[0]};

static const nb_story rates[] = {
    {1, 5, "a=N;b=S", "a*b",
     "A [car|train|bus|truck|plane] [goes|drives|travels] {a} [miles|kilometers] [an hour|per hour|in one hour]. How "
     "far does it "
     "go in {b} hours?\n"
     "{A} [drives|rides|sails] at {a} [miles|kilometers] per hour for {b} hours. How far does {A.he} get?\n"
     "A machine makes {a} {X:goods} [a minute|per minute|each hour|per hour]. How many {X} does it make in {b} of "
     "them?\n"
     "A car uses one gallon for {a} miles. How far does it go with {b} gallons?\n"
     "{A} types {a} words [a|per] minute. How many words does {A.he} type in {b} minutes?\n"
     "A tap gives {a} liters a minute. How many liters is that in {b} minutes?"},
    {1, 5, "b=B;c=N;a=b*c", "a/b",
     "A [car|train|bus] [goes|travels] {a} [miles|kilometers] in {b} hours. How far does it go in one hour?\n"
     "{A} drove {a} miles in {b} hours. What was {A.his} speed in miles per hour?\n"
     "{b} [1:pounds|kilograms] of {M:mass} cost {a$}. What is the price per [1:pound|kilogram]?\n"
     "{A} typed {a} words in {b} minutes. How many words is that per minute?\n"
     "A machine makes {a} {X:goods} in {b} hours. How many {X} is that per hour?\n"
     "A tank loses {a} liters in {b} hours. How many liters is that an hour?"},
    {1, 5, "b=B;c=M;a=b*c", "a/b",
     "A [car|train|bus] goes {b} miles a minute. How many minutes does it need for {a} miles?\n"
     "{A} walks {b} [1:miles|kilometers] an hour. How many hours does {A.he} need for {a} [1:miles|kilometers]?\n"
     "{M:mass} costs {b$} [a|per] pound. How many pounds can {A} buy for {a$}?\n"
     "A machine makes {b} {X:goods} an hour. How long does it need for {a} {X}?"},
    {1, 5, "a=U;b=S", "a*b",
     "{M:mass} costs {a$} [a|per] [1:pound|kilogram]. How much do {b} [1:pounds|kilograms] cost?\n"
     "{A} earns {a$} an hour. How much does {A.he} earn in {b} hours?\n"
     "Parking costs {a$} an hour. How much is it for {b} hours?\n"
     "A [boat|bike|room] costs {a$} [a day|per hour] to rent. What do {b} [days|hours] cost?"},
    {2, 5, "b=2~9;c=M;d=2~9;a=b*c", "a/b*d",
     "{b} {X} cost {a$}. How much do {d} {X} cost?\n"
     "{A} makes {a} {X:goods} in {b} hours. How many {X} does {A.he} make in {d} hours at this rate?\n"
     "A car goes {a} miles in {b} hours. How far does it go in {d} hours?\n"
     "A recipe for {b} people needs {a} {X:food}. How many {X} are needed for {d} people?\n"
     "{b} [boxes|bags] weigh {a} pounds. How much do {d} weigh?"},
    {2, 5, "a=M;b=M;c=S", "(a+b)*c",
     "{A} makes {a} {X} an hour and {B} makes {b}. How many {X} do they make together in {c} hours?\n"
     "Two [cars|trains] drive apart at {a} and {b} miles per hour. How far apart are they after {c} hours?\n"
     "One tap gives {a} liters a minute and another gives {b}. How much is that in {c} minutes?"},
    {3, 5, "a=M;b=S;c=M;d=S", "a*b+c*d",
     "{A} drove {b} hours at {a} miles per hour and {d} hours at {c} miles per hour. How far did {A.he} drive?\n"
     "{A} worked {b} hours for {a$} an hour and {d} hours for {c$} an hour. How much did {A.he} earn?"},
};
const nb_story_list nb_stories_rates = {rates, sizeof rates / sizeof rates[0]};

static const nb_story ages[] = {
    {1, 5, "a=3~60;b=2~30", "a+b",
     "{A} is {a} years old. {B} is {b} years older. How old is {B}?\n"
     "{A} is {a} years old. How old will {A.he} be in {b} years?\n"
     "{A} is {a}. {A.his} {J:family} is {b} years older. How old is {A.his} {J}?\n"
     "{b} years ago {A} was {a} years old. How old is {A.he} now?\n"
     "{A} is {b} years older than {B}, who is {a}. How old is {A}?"},
    {1, 5, "b=2~30;c=2~40;a=b+c", "a-b",
     "{A} is {a} years old. {B} is {b} years younger. How old is {B}?\n"
     "{A} is {a} years old. How old was {A.he} {b} years ago?\n"
     "{A} will be {a} in {b} years. How old is {A.he} now?\n"
     "{A} is {a} and {B} is {b} years old. How many years older is {A}?\n"
     "{A} is {b} years old. In how many years will {A.he} be {a}?"},
    {1, 5, "a=3~20;b=2~5", "a*b",
     "{A} is {a} years old. {A.his} {J:family} is {b*} as old. How old is {A.his} {J}?\n"
     "{B} is {b*} as old as {A}. {A} is {a}. How old is {B}?"},
    {1, 5, "b=2~5;c=3~20;a=b*c", "a/b",
     "{A} is {a} years old. {A.he} is {b*} as old as {B}. How old is {B}?\n"
     "{A.s} {J:family} is {a}, {b*} as old as {A}. How old is {A}?"},
    {2, 5, "a=3~30;b=2~20;c=2~15", "a+b+c",
     "{A} is {a} years old. {B} is {b} years older. How old will {B} be in {c} years?\n"
     "{B} is {b} years older than {A}. {C} is {c} years older than {B}. {A} is {a}. How old is {C}?"},
    {2, 5, "a=3~30;b=2~20", "a+b+a", "{A} is {a} years old. {B} is {b} years older. How old are they together?"},
    {2, 5, "a=3~20;b=2~4;c=1~9", "a*b+c",
     "{A} is {a} years old. {B} is {c} years older than {b*} {A.s} age. How old is {B}?\n"
     "{A} is {a}. {B} is {b*} as old. How old will {B} be in {c} years?"},
    {2, 5, "a=3~20;b=2~5", "a*b-a",
     "{A} is {a} years old and {A.his} {J:family} is {b*} as old. How many years older is the {J}?"},
    {2, 5, "b=2~15;c=2~40;a=b+c", "a-b", "{A} and {B} are {a} years old together. {A} is {b}. How old is {B}?"},
    {3, 5, "b=2~20;c=2~20;a=c*2+b", "(a-b)/2",
     "{A} and {B} are {a} years old together. {B} is {b} years older than {A}. How old is {A}?"},
};
const nb_story_list nb_stories_ages = {ages, sizeof ages / sizeof ages[0]};
