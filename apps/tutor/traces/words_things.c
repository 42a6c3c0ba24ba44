// SPDX-License-Identifier: Apache-2.0
// Things that can be counted, by class, and what is made of them.
#include "apps/tutor/traces/words.h"

const nb_word_class nb_word_things[] = {
    {"fruit",
     "apple banana orange pear peach plum lemon lime mango grape cherry strawberry blueberry raspberry blackberry "
     "kiwi apricot fig melon watermelon pineapple coconut tangerine grapefruit nectarine papaya cranberry date "
     "olive avocado",
     true},
    {"vegetable",
     "carrot potato/potatoes tomato/tomatoes onion cucumber pepper pumpkin radish turnip beet zucchini eggplant "
     "cabbage squash bean pea mushroom sweet_potato/sweet_potatoes leek artichoke ear_of_corn/ears_of_corn "
     "head_of_lettuce/heads_of_lettuce",
     true},
    {"baked",
     "cookie cupcake muffin donut pie cake brownie bagel pretzel pancake waffle biscuit roll croissant tart bun "
     "cracker loaf_of_bread/loaves_of_bread scone doughnut macaroon sugar_cookie cinnamon_roll cheesecake",
     true},
    {"snack",
     "candy chocolate lollipop gumdrop jelly_bean peanut walnut almond raisin marshmallow gummy_bear candy_bar "
     "mint piece_of_candy/pieces_of_candy chocolate_bar hazelnut pecan cashew popsicle sandwich hot_dog hamburger "
     "taco slice_of_pizza/slices_of_pizza egg caramel chip toffee dumpling granola_bar juice_box",
     true},
    {"toy",
     "marble toy_car doll balloon block kite puzzle ball yo-yo teddy_bear toy robot puppet top action_figure "
     "toy_train board_game video_game dinosaur stuffed_animal building_block Lego_brick domino/dominoes dice/dice "
     "whistle drum jump_rope race_car toy_soldier bouncy_ball frisbee spinner water_gun",
     true},
    {"school",
     "pencil pen crayon eraser notebook marker ruler folder paper_clip glue_stick paintbrush/paintbrushes binder "
     "backpack sheet_of_paper/sheets_of_paper envelope sticker colored_pencil textbook worksheet calculator "
     "lunchbox pair_of_scissors/pairs_of_scissors stapler chalk_stick index_card desk highlighter sketchbook "
     "piece_of_paper/pieces_of_paper",
     true},
    {"nature",
     "shell seashell rock stone leaf/leaves pebble acorn pinecone feather stick flower petal branch crystal "
     "fossil twig chestnut starfish/starfish clam gem pearl sand_dollar snowball",
     true},
    {"collect",
     "stamp coin baseball_card card trading_card postcard photo button bead badge poster key ticket bottle_cap "
     "magnet sports_card football_card game_card medal token ribbon bracelet necklace ring ornament pin figurine "
     "keychain patch",
     true},
    {"reading",
     "book comic_book magazine newspaper story novel comic picture_book library_book mystery_book cookbook letter "
     "poem brochure catalog journal chapter_book",
     true},
    {"clothes",
     "shirt hat sock scarf/scarves sweater jacket T-shirt dress skirt coat cap glove mitten belt tie shoe "
     "pair_of_socks/pairs_of_socks pair_of_shoes/pairs_of_shoes pair_of_jeans/pairs_of_jeans blouse uniform vest "
     "button-up_shirt",
     true},
    {"animal",
     "dog cat rabbit hamster goldfish/goldfish turtle parrot puppy kitten duck chicken cow horse sheep/sheep goat "
     "pig goose/geese bird butterfly frog fish/fish bee ant ladybug monkey lion tiger elephant zebra giraffe "
     "penguin bear deer/deer fox squirrel snake lizard owl pigeon mouse/mice crab seal dolphin whale snail spider "
     "cricket grasshopper worm caterpillar lamb pony donkey llama camel wolf/wolves swan rooster hen calf/calves "
     "guinea_pig gerbil",
     true},
    {"plant",
     "tree rose tulip daisy sunflower lily orchid bush bulb seed seedling plant pine_tree oak_tree apple_tree "
     "maple_tree fern cactus daffodil violet carnation iris marigold palm_tree walnut_tree dogwood_tree rose_bush "
     "tomato_plant",
     true},
    {"vehicle",
     "car truck bus bicycle bike van motorcycle scooter boat train taxi wagon tractor airplane skateboard "
     "sailboat canoe tricycle minivan",
     true},
    {"sport",
     "baseball basketball football soccer_ball tennis_ball golf_ball volleyball hockey_puck bat racket helmet "
     "trophy jersey ping-pong_ball bowling_ball skate softball",
     true},
    {"house",
     "cup plate bowl spoon fork glass bottle candle lamp chair pillow blanket towel jar vase mug knife/knives "
     "napkin clock picture_frame light_bulb battery umbrella basket brick tile nail screw bolt board pot pan "
     "curtain rug box_of_cereal/boxes_of_cereal can_of_soup/cans_of_soup bag_of_chips/bags_of_chips "
     "bar_of_soap/bars_of_soap",
     true},
    {"people",
     "student child/children boy girl player teacher visitor passenger friend guest kid adult worker dancer "
     "singer runner swimmer camper parent tourist customer fan scout musician driver nurse volunteer "
     "person/people man/men woman/women cousin neighbor",
     true},
};
const unsigned nb_n_word_things = sizeof nb_word_things / sizeof nb_word_things[0];

const nb_word_union nb_word_unions[] = {
    {"thing", "fruit baked snack toy school nature collect collect reading toy sport house fruit vegetable clothes"},
    {"food", "fruit vegetable baked snack"},
    {"goods", "toy school house clothes sport reading fruit baked snack"},
    {"small", "collect toy nature school snack fruit baked"},
    {"person", "girl boy"},
};
const unsigned nb_n_word_unions = sizeof nb_word_unions / sizeof nb_word_unions[0];
