// SPDX-License-Identifier: Apache-2.0
// The kinds of problems, and the pieces of sentences that tellings share.
#include "apps/tutor/traces/story.h"

const nb_kind nb_kinds[] = {
    {"addition", "plain sums", &nb_stories_addition, 4, false},
    {"subtraction", "plain differences", &nb_stories_subtraction, 4, false},
    {"multiplication", "plain products", &nb_stories_multiplication, 4, false},
    {"division", "plain exact quotients", &nb_stories_division, 4, false},
    {"remainder", "division with remainder, plain and told", &nb_stories_remainder, 4, true},
    {"order", "several operations, parentheses", &nb_stories_order, 4, false},
    {"fractions", "sums, differences, products and parts", &nb_stories_fractions, 4, true},
    {"percent", "parts of a hundred, discounts, rises", &nb_stories_percent, 3, true},
    {"money", "prices, change, earnings", &nb_stories_money, 7, true},
    {"time", "hours, minutes, days", &nb_stories_time, 4, true},
    {"units", "changing units of length, weight, volume", &nb_stories_units, 3, false},
    {"rates", "speed, price and work per unit", &nb_stories_rates, 4, true},
    {"comparison", "more, fewer, times as many", &nb_stories_comparison, 8, true},
    {"ages", "older, younger, years from now", &nb_stories_ages, 3, false},
    {"averages", "means", &nb_stories_averages, 2, true},
    {"geometry", "perimeters and areas", &nb_stories_geometry, 3, false},
    {"joining", "putting together", &nb_stories_joining, 9, true},
    {"taking", "taking away", &nb_stories_taking, 9, true},
    {"unknown", "what the start, the change or the other part was", &nb_stories_unknown, 9, true},
    {"groups", "equal groups", &nb_stories_groups, 8, true},
    {"sharing", "dealing out, making groups", &nb_stories_sharing, 8, true},
    {"measures", "lengths, weights and volumes, with decimals", &nb_stories_measures, 6, true},
    {"steps", "two to four steps", &nb_stories_steps, 10, true},
};
const unsigned nb_n_kinds = sizeof nb_kinds / sizeof nb_kinds[0];

const nb_fragment nb_fragments[] = {
    {"all", "in all|altogether|in total|all together|in all|in total"},
    {"now", "now|now|now|in the end||at the end|then"},
    {"left", "left|left|left now|remaining|still left|left over"},
    {"Has", "had|has|had|owned|collected|started with|had already collected|has collected|got|brought home"},
    {"has", "had|had|had|has|owned"},
    {"get", "bought|found|got|picked up|collected|received|won|was given|gathered|earned|made|picked|discovered"},
    {"getmore", "<get> {b} more|<get> {b} more {X}|<get> {b} more of them|{J:family} gave {A.him} {b} more|"
                "was given {b} more {X}"},
    {"lose", "lost|gave away|sold|used|broke|threw away|misplaced|donated|handed out|gave {B}|gave {A.his} {J}|lent "
             "{B}|traded away|dropped"},
    {"loseones", "lost|gave away|sold|threw away|misplaced|donated|handed out|traded away"},
    {"eat", "ate|eats|gave away|shared|sold|finished|dropped"},
    {"ask", "how many {X} does {A} have|how many {X} does {A.he} have|how many {X} will {A} have|what is the number of "
            "{X} {A} has"},
    {"askdid", "how many {X} did {A} have|how many {X} did {A.he} have"},
    {"in", "in|on|near|next to|behind"},
    {"thereare", "there are|there were|you can see|we counted"},
    {"gave", "gave|handed|brought|mailed|passed"},
    {"for", "for|for|at the {S:shop} for|on the {W} for"},
    {"went", "went to the {L:shop}|was at the {L:shop}|stopped at the {L:shop} on {W}|goes to the {L:shop}|visited the "
             "{L:shop}"},
    {"store", "at the {S:shop}|at a {S:shop}|from the {S:shop}|on {W}|yesterday|last {W}|"},
    {"when", "On {W}, |On {W} |Yesterday, |Last week, |This {U:time}, |In {M:month} |One day, |||||"},
    {"compute", "What is|Compute|Work out|Find|Calculate|Evaluate|What do you get for|Find the value of|Solve"},
    {"extra",
     "{A} is {#} years old.|{A.he} has {#} cousins.|It was a {E:day} in {F:month}.|{A} lives at number {#}.|The "
     "weather was nice that day.|{A.his} favorite color is {I:color}.|It was {##} degrees outside.|{A} has a "
     "{I:color} bicycle.|{A.he} wakes up at {#} past seven.|{A} was very happy.|{A} likes {G:subject} best.|"
     "{A.his} house has {#} windows.|{A} walked {##} steps that day.|{A.he} plays {G:game} every {E:day}."},
};
const unsigned nb_n_fragments = sizeof nb_fragments / sizeof nb_fragments[0];
