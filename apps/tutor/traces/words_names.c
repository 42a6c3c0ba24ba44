// SPDX-License-Identifier: Apache-2.0
// First names and surnames.
#include "apps/tutor/traces/words.h"

const nb_word_class nb_word_names[] = {
    {"girl",
     "Mia Anna Emma Olivia Sophia Ava Isabella Amelia Harper Evelyn Abigail Emily Ella Elizabeth Camila Luna "
     "Sofia Avery Mila Aria Scarlett Penelope Layla Chloe Victoria Madison Eleanor Grace Nora Riley Zoey Hannah "
     "Hazel Lily Ellie Violet Lillian Zoe Stella Aurora Natalie Emilia Everly Leah Aubrey Willow Addison Lucy "
     "Audrey Bella Nova Brooklyn Paisley Savannah Claire Skylar Isla Genesis Naomi Elena Caroline Eliana Maya "
     "Valentina Ruby Kennedy Ivy Ariana Aaliyah Cora Madelyn Alice Kinsley Hailey Gabriella Allison Gianna "
     "Serenity Samantha Sarah Autumn Quinn Eva Piper Sophie Sadie Delilah Josephine Nevaeh Adeline Arya Emery "
     "Lydia Clara Vivian Madeline Peyton Julia Rylee Nina Tina Jessica Ashley Amanda Jennifer Stephanie Melissa "
     "Nicole Heather Michelle Kimberly Amber Rachel Rebecca Laura Christina Lauren Megan Kelly Crystal Tiffany "
     "Danielle Erin Andrea Angela Mary Lisa Karen Nancy Betty Sandra Donna Carol Ruth Sharon Helen Deborah Diana "
     "Jane Joyce Judy Rose Beverly Denise Marilyn Theresa Sara Janice Marie Kathryn Joan Sally Wendy Linda Susan "
     "Barbara Debbie Brenda Pamela Cindy Tammy Melanie Keisha Fatima Aisha Amina Zainab Priya Anjali Meera Divya "
     "Lakshmi Yuki Sakura Hana Aiko Mei Ling Xia Jing Min Soo Linh Thuy Ngoc Rosa Carmen Lucia Ines Pilar Marta "
     "Paula Irene Greta Heidi Ingrid Astrid Freya Sigrid Katya Olga Irina Svetlana Tanya Ewa Zofia Magda Noor "
     "Yasmin Leila Salma Dina Farah Rania Chiara Giulia Francesca Bianca Amelie Colette Margot Elise Fiona "
     "Siobhan Maeve Bridget Tia Pia Uma Kiara Imani Nia Zuri Ada Ida Edith Martha Agnes Dorothy Florence Winnie "
     "Tilly Poppy Daisy Holly Jasmine Iris Phoebe Tessa Molly Annie Carla Vera Gina",
     true},
    {"boy",
     "Liam Noah Oliver Elijah William James Benjamin Lucas Henry Alexander Mason Michael Ethan Daniel Jacob Logan "
     "Jackson Levi Sebastian Mateo Jack Owen Theodore Aiden Samuel Joseph John David Wyatt Matthew Luke Asher "
     "Carter Julian Grayson Leo Jayden Gabriel Isaac Lincoln Anthony Hudson Dylan Ezra Thomas Charles Christopher "
     "Jaxon Maverick Josiah Isaiah Andrew Elias Joshua Nathan Caleb Ryan Adrian Miles Eli Nolan Christian Aaron "
     "Cameron Ezekiel Colton Luca Landon Hunter Jonathan Santiago Axel Easton Cooper Jeremiah Angel Roman Connor "
     "Jameson Robert Greyson Jordan Ian Carson Jaxson Leonardo Nicholas Dominic Austin Everett Brooks Xavier Kai "
     "Jose Parker Adam Jace Wesley Kayden Silas Ben Tom Tim Sam Dan Max Joe Bob Bill Jim Mike Steve Mark Paul "
     "Peter Kevin Brian George Edward Ronald Kenneth Gary Larry Frank Scott Eric Stephen Raymond Gregory Jerry "
     "Dennis Walter Patrick Harold Douglas Carl Arthur Roger Keith Albert Willie Terry Gerald Lawrence Roy Ralph "
     "Bruce Philip Craig Alan Shawn Fred Sean Tyrone Jamal Darnell Malik Omar Hassan Ali Ahmed Yusuf Ibrahim "
     "Tariq Karim Arjun Rohan Vikram Sanjay Raj Amit Dev Hiroshi Kenji Takumi Haruto Ren Wei Jun Bo Feng Hao Tao "
     "Chen Minh Duc Carlos Juan Luis Miguel Diego Pablo Javier Rafael Fernando Andres Hugo Emil Lars Sven Nils "
     "Bjorn Erik Ivan Dmitri Boris Mikhail Pavel Jan Piotr Marek Lorenzo Matteo Giovanni Marco Enzo Pierre Louis "
     "Antoine Rene Declan Finn Cormac Angus Callum Kwame Kofi Jabari Tunde Otto Felix Oscar Victor Simon Martin "
     "Stanley Leon Jonah Toby Harvey Freddie Alfie Archie Jasper Rory Zach Jesse Marcus Derek Troy Trevor Curtis "
     "Dale Gus Ned Ted Rick Randy Billy Danny Jason Justin Tyler Brandon Kyle Bryan",
     true},
    {"surname",
     "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Lopez Wilson Anderson Taylor "
     "Moore Lee Perez Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Torres Nguyen "
     "Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Roberts Gomez Phillips Evans Turner Diaz "
     "Cruz Edwards Collins Stewart Morris Morales Murphy Cook Rogers Ortiz Morgan Peterson Bailey Reed Kim Patel "
     "Khan Singh Cohen Fischer Weber Rossi Novak Silva Santos Tanaka Sato Wong Chan Larsen Berg Dubois Ivanov "
     "Okafor Mensah",
     true},
};
const unsigned nb_n_word_names = sizeof nb_word_names / sizeof nb_word_names[0];
