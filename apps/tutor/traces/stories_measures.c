// SPDX-License-Identifier: Apache-2.0
// Lengths, weights and volumes; changing units; averages; perimeters and areas.
#include "apps/tutor/traces/story.h"

static const nb_story measures[] = {
    {1, 5, "a=D;b=D", "a+b",
     "{A} [ran|walked|biked|hiked|drove] {a~} {U:length.s} on {V:day} and {b~} {U.s} on {W}. How far did {A.he} go "
     "<all>?\n"
     "{A} [ran|walked|hiked] {a~} {U:length.s} [and then|in the morning and] {b~} {U.s} [more|in the evening]. How "
     "many {U.s} "
     "is that <all>?\n"
     "A {X.1} weighs {a~} {U:weight.s} and a {Y.1} weighs {b~} {U.s}. How much do they weigh together?\n"
     "{A} bought {a~} {U:weight.s} of {M:mass} and {b~} {U.s} of {N:mass}. How many {U.s} [did {A.he} buy|is that] "
     "<all>?\n"
     "{A} [used|mixed|poured] {a~} {U:volume.s} of {M:liquid} and {b~} {U.s} of {N:liquid}. How many {U.s} is that "
     "<all>?\n"
     "There were {a~} {U:volume.s} of {M:liquid} in a tank. {A} added {b~} {U.s}. How much {M} is in the tank now?\n"
     "It [1:rained|snowed] {a~} inches on {V:day} and {b~} inches on {W}. How much did it [1:rain|snow] <all>?\n"
     "A [plant|tree|child] was {a~} {U:length.s} tall and grew {b~} {U.s}. How tall is it now?\n"
     "A {U:long} is {a~} [feet|meters] long. Another is {b~} longer. How long is the other {U}?\n"
     "{A} has a {U:long} of {a~} [meters|feet|inches] and gets another of {b~}. How much {U} does {A.he} have?\n"
     "{A} walked {a~} {U:length.s} from [home|school] to the {L:place} and {b~} {U.s} from there to the {S:shop}. How "
     "many "
     "{U.s} did {A.he} walk <all>?\n"
     "A recipe [needs|calls for] {a~} cups of {M:mass} and {b~} cups of {N:mass}. How many cups is that <all>?"},
    {1, 5, "b=D;c=D;a=b+c", "a-b",
     "{A} had {a~} {U:weight.s} of {M:mass} and used {b~} {U.s}. How much {M} is left?\n"
     "There were {a~} {U:volume.s} of {M:liquid} in the [tank|bucket|bottle]. {A} [used|poured out|drank] {b~} {U.s}. "
     "How many "
     "{U.s} are left?\n"
     "A {V:long} is {a~} {U:length.s} long. {A} cuts off {b~} {U.s}. How long is the rest?\n"
     "The {V:road} is {a~} {U:length.s} long. {A} has gone {b~} {U.s}. How far is it still?\n"
     "{A} ran {a~} {U:length.s} and {B} ran {b~} {U.s}. How much farther did {A} run?\n"
     "A {X.1} weighs {a~} {U:weight.s} and a {Y.1} weighs {b~} {U.s}. How much heavier is the {X.1}?\n"
     "{A} weighed {a~} {U:weight.s} and lost {b~} {U.s}. How much does {A.he} weigh now?\n"
     "It rained {a~} inches in {V:month} and {b~} inches in {F:month}. How much more did it rain in {V}?\n"
     "{A} needs {a~} {U:weight.s} of {M:mass} and has {b~}. How much more does {A.he} need?\n"
     "A recipe calls for {a~} cups of {M:mass}. {A} already put in {b~} [cups|]. How many [more cups|more] must {A.he} "
     "add?\n"
     "The temperature [fell|changed] from {a~} to {b~} degrees. By how many degrees did it fall?\n"
     "{A} jumped {a~} {U:length.s} and {B} {b~} {U.s}. What is the difference?"},
    {2, 5, "a=D;b=2~9", "a*b",
     "A {X.1} weighs {a~} {U:weight.s}. How much do {b} {X} weigh?\n"
     "{A} [runs|walks|bikes] {a~} {U:length.s} every day. How far is that in {b} days?\n"
     "Each bottle holds {a~} {U:volume.s} of {M:liquid}. How much is in {b} bottles?\n"
     "{A} needs {a~} {U:length.s} of {V:long} for one {X.1}. How many {U.s} does {A.he} need for {b} {X}?\n"
     "One {K} of {M:mass} weighs {a~} {U:weight.s}. What do {b} {K.s} weigh?"},
    {2, 5, "b=2~9;c=D;a=b*c", "a/b",
     "{b} {X} weigh {a~} {U:weight.s}. How much does one weigh?\n"
     "{A} pours {a~} {U:volume.s} of {M:liquid} equally into {b} bottles. How much is in each?\n"
     "{A} cuts {a~} {U:length.s} of {V:long} into {b} equal pieces. How long is each piece?\n"
     "{A} [ran|walked] {a~} {U:length.s} in {b} days, the same each day. How far did {A.he} go each day?"},
    {2, 5, "b=D;c=D;d=D;a=b+c+d", "a-b-c",
     "{A} had {a~} {U:weight.s} of {M:mass}. {A.he} used {b~} {U.s} and sold {c~} {U.s}. How much is left?\n"
     "A {V:long} is {a~} {U:length.s} long. {A} cuts off {b~} and then {c~}. How much is left?"},
};
const nb_story_list nb_stories_measures = {measures, sizeof measures / sizeof measures[0]};

static const nb_story units[] = {
    {1, 5, "a=N", "a*100",
     "How many centimeters are {a} meters?\nChange {a~} m to cm.\n{a~} m = ? cm\nA {U:long} is {a} meters long. How "
     "many "
     "centimeters is that?\nHow many cents are {a} dollars?"},
    {1, 5, "b=N;a=b*100", "a/100",
     "How many meters are {a} centimeters?\nChange {a~} cm to m.\n{a~} cm = ? m\n{A} has {a} cents. How many dollars "
     "is that?"},
    {1, 5, "a=D", "a*1000",
     "How many meters are {a~} kilometers?\nChange {a~} kg to g.\n{a~} km = ? m\nHow many grams are {a~} kilograms?\n"
     "{A} has {a~} liters of {M:liquid}. How many milliliters is that?\nHow many milliliters are {a~} l?\n{A} "
     "[walked|ran] "
     "{a~} kilometers. How many meters is that?\nA {K} of {M:mass} weighs {a~} kg. How many grams is that?"},
    {1, 5, "b=D;a=b*1000", "a/1000",
     "How many kilometers are {a~} meters?\nChange {a~} g to kg.\n{a~} m = ? km\nHow many kilograms are {a~} grams?\n"
     "How many liters are {a~} milliliters?\nA {K} weighs {a~} grams. How many kilograms is that?"},
    {1, 5, "a=M", "a*12",
     "How many inches are {a} feet?\nChange {a~} feet to inches.\nA {U:long} is {a} feet long. How many inches is "
     "that?\n"
     "How many months are {a} years?"},
    {1, 5, "b=M;a=b*12", "a/12",
     "How many feet are {a} inches?\nChange {a~} inches to feet.\nHow many years are {a} months?"},
    {1, 5, "a=M", "a*3", "How many feet are {a} yards?\nChange {a~} yards to feet."},
    {1, 5, "b=N;a=b*3", "a/3", "How many yards are {a} feet?\nChange {a~} feet to yards."},
    {1, 5, "a=M", "a*16", "How many ounces are {a} pounds?\nChange {a~} pounds to ounces."},
    {1, 5, "a=N", "a*4",
     "How many quarts are {a} gallons?\nHow many cups are {a} quarts?\nHow many quarters are {a} dollars?"},
    {1, 5, "a=N", "a*10", "How many millimeters are {a} centimeters?\n{a~} cm = ? mm\nHow many dimes are {a} dollars?"},
    {2, 5, "a=1~9;b=1~99", "a*100+b",
     "How many centimeters are {a~} m {b~} cm?\n{A} is {a~} meter {b~} centimeters tall. How many centimeters is "
     "that?"},
    {2, 5, "a=1~9;b=1~11", "a*12+b",
     "How many inches are {a~} feet {b~} inches?\n{A} is {a~} feet and {b~} inches tall. How many inches is that?"},
    {3, 5, "a=1~9;b=10~999", "a*1000+b",
     "How many grams are {a~} kg {b~} g?\nHow many meters are {a~} km {b~} m?\nHow many milliliters are {a~} l {b~} "
     "ml?"},
    {3, 5, "a=2~9;b=50*(1~9)", "a*1000-b",
     "{A} has {a} kilograms of {M:mass} and uses {b} grams. How many grams are left?\n"
     "A {U:road} is {a} kilometers long. {A} walks {b} meters. How many meters are left?\n"
     "A can holds {a} liters of {M:liquid}. {A} pours out {b} milliliters. How many milliliters are left?"},
    {3, 5, "a=2~9;b=5*(2~10);c=a*100;c%b<1", "a*100/b",
     "A {U:long} of {a} meters is cut into pieces of {b} centimeters. How many pieces are there?"},
};
const nb_story_list nb_stories_units = {units, sizeof units / sizeof units[0]};

static const nb_story averages[] = {
    {1, 5, "d=N;c=1~(d-1);a=d-c;b=d+c", "(a+b)/2",
     "What is the average of {a} and {b}?\nFind the mean of {a~} and {b~}.\n"
     "{A} scored {a} and {b} points in two games. What was {A.his} average?"},
    {2, 5, "d=N;e=1~d;a=d-e;b=d+e*2;c=d-e;a>0", "(a+b+c)/3",
     "What is the average of {a}, {b} and {c}?\nFind the mean of {a~}, {b~} and {c~}.\n"
     "{A} read {a} pages on {V:day}, {b} on {W} and {c} on {U:day}. How many pages is that a day on average?\n"
     "{A} has {a} {X}, {B} has {b} and {C} has {c}. What is the average number of {X}?"},
    {3, 5, "f=N;e=1~f;a=f-e;b=f+e;c=f+1;d=f-1;a>0", "(a+b+c+d)/4",
     "What is the average of {a}, {b}, {c} and {d}?\n"
     "{A} sold {a}, {b}, {c} and {d} {X} on four days. How many is that a day on average?\n"
     "The temperatures on four days were {a}, {b}, {c} and {d} degrees. What was the average?"},
    {2, 5, "a=2~9;b=N", "a*b",
     "The average of {a} numbers is {b}. What is their sum?\n"
     "{A} [sold|made|read] on average {b} {X} a day. How many is that in {a} days?"},
    {2, 5, "b=2~9;c=N;a=b*c", "a/b",
     "{A} scored {a} points in {b} games. How many points is that per game on average?\n"
     "{A} read {a} pages in {b} days. What was the average number of pages a day?\n"
     "The sum of {b} numbers is {a}. What is their average?"},
};
const nb_story_list nb_stories_averages = {averages, sizeof averages / sizeof averages[0]};

static const nb_story geometry[] = {
    {1, 5, "a=N;b=S", "a*b",
     "A [rectangle|rectangular {U:room}|{U:panel}|{U:room}] is {a} [feet|meters|centimeters|inches] long and {b} wide. "
     "What is "
     "its area?\n"
     "Find the area of a rectangle with sides {a} and {b}.\n"
     "What is the area of a {a~} by {b~} rectangle?\n"
     "How many square [tiles|stones|stickers] of side one cover a {U:panel} that is {a} by {b}?"},
    {1, 5, "a=N;b=N", "(a+b)*2",
     "A [rectangle|rectangular {U:room}|{U:panel}|{U:room}] is {a} [feet|meters|centimeters|inches] long and {b} wide. "
     "What is "
     "its perimeter?\n"
     "Find the perimeter of a rectangle with sides {a} and {b}.\n"
     "{A} puts a fence around a {U:room} that is {a} meters long and {b} meters wide. How many meters of fence does "
     "{A.he} "
     "need?\n"
     "{A} walks once around a {a~} by {b~} meter field. How far is that?"},
    {1, 5, "a=N", "a*4",
     "A square has sides of {a} [cm|meters|inches]. What is its perimeter?\nFind the perimeter of a square with side "
     "{a}.\n"
     "How long is the fence around a square {U:room} with sides of {a} feet?"},
    {1, 5, "b=N;a=b*4", "a/4", "The perimeter of a square is {a} [cm|feet]. How long is one side?"},
    {1, 5, "a=M", "a*a",
     "A square has sides of {a} [cm|meters|feet]. What is its area?\nFind the area of a square with side {a}."},
    {1, 5, "a=N;b=N;c=1~(a+b-1);a<b+c;b<a+c", "a+b+c",
     "A triangle has sides of {a}, {b} and {c} [cm|feet|meters]. What is its perimeter?\n"
     "Find the perimeter of a triangle with sides {a}, {b} and {c}."},
    {2, 5, "b=B;c=N;a=b*c", "a/b",
     "A rectangle has an area of {a} and a width of {b}. How long is it?\n"
     "The area of a rectangular {U:room} is {a} square [feet|meters]. It is {b} wide. How long is it?"},
    {2, 5, "b=N;c=N;a=(b+c)*2", "a/2-b",
     "The perimeter of a rectangle is {a}. One side is {b}. How long is the other side?"},
    {2, 5, "a=N;c=S;b=c*2", "a*b/2", "A triangle has a base of {a} and a height of {b}. What is its area?"},
    {2, 5, "a=S;b=S;c=S", "a*b*c",
     "A box is {a} [cm|inches|feet] long, {b} wide and {c} high. What is its volume?\n"
     "Find the volume of a box with sides {a}, {b} and {c}."},
    {3, 5, "a=S;b=S;c=U", "a*b*c",
     "A {U:room} is {a} meters by {b} meters. Covering one square meter costs {c$}. How much does it cost to cover it "
     "all?"},
    {3, 5, "a=S;b=S;c=S;d=S", "a*b+c*d",
     "One {U:room} is {a} by {b} meters and another is {c} by {d} meters. What is their area together?"},
};
const nb_story_list nb_stories_geometry = {geometry, sizeof geometry / sizeof geometry[0]};
