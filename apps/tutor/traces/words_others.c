// SPDX-License-Identifier: Apache-2.0
// Words that training and evaluation share: colours, containers, places, units, occupations.
#include "apps/tutor/traces/words.h"

const nb_word_class nb_word_others[] = {
    {"color", "red blue green yellow white black orange purple pink brown gray silver golden violet", false},
    {"quality", "big small old new large little shiny striped wooden plastic broken round square pretty fancy", false},
    {"container",
     "box bag basket jar bucket crate tray bin case carton pack packet drawer bowl tin sack chest container", false},
    {"shelf", "shelf/shelves bookcase cabinet rack row pile stack table cupboard", false},
    {"group", "group team row class table line bus van tent room circle", false},
    {"place",
     "park school library zoo beach farm museum market store garden playground bakery lake forest stadium theater "
     "hospital hotel restaurant office gym aquarium bookstore factory cafe pond field harbor city village",
     false},
    {"shop",
     "store shop market supermarket bakery mall bookstore toy_store fair farmers'_market corner_store gift_shop",
     false},
    {"day", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday", false},
    {"month", "January February March April May June July August September October November December", false},
    {"time", "morning afternoon evening night weekend week day", false},
    {"family",
     "brother sister cousin friend mother father grandmother grandfather aunt uncle neighbor teacher classmate "
     "best_friend mom dad",
     false},
    {"maker", "baker farmer carpenter florist cook tailor painter potter jeweler gardener chef shopkeeper", false},
    {"worker",
     "farmer teacher baker librarian coach shopkeeper gardener carpenter painter chef driver nurse fisherman "
     "florist waiter clerk mechanic artist scientist pilot zookeeper postman principal manager tailor",
     false},
    {"mass", "flour sugar rice sand soil salt corn wheat cement coffee honey butter cheese meat clay gravel", false},
    {"liquid", "water milk juice paint oil lemonade soup syrup gasoline vinegar tea orange_juice", false},
    {"length", "meter foot/feet inch yard mile kilometer centimeter", false},
    {"weight", "pound kilogram ounce gram ton", false},
    {"volume", "liter gallon cup quart pint milliliter", false},
    {"long", "rope ribbon string wire board pipe fence wall cloth chain thread plank hose cable", false},
    {"road", "road trail path street track bridge river tunnel", false},
    {"job",
     "mowing_lawns washing_cars babysitting walking_dogs raking_leaves painting_fences delivering_newspapers "
     "shoveling_snow tutoring cleaning_windows",
     false},
    {"room", "room garden kitchen classroom field yard playground bedroom hall park", false},
    {"panel", "floor wall poster carpet rug window photo table blanket mirror", false},
    {"subject", "math science reading spelling history music art", false},
    {"game", "soccer basketball baseball hockey tennis football volleyball", false},
};
const unsigned nb_n_word_others = sizeof nb_word_others / sizeof nb_word_others[0];
