"""Given names that were reviewed by hand, which `name_lists` puts before the lists it takes from elsewhere.

`GIVEN` names are names wherever they stand capitalised. `AMBIGUOUS` ones are words, places or products as
well, and count only with a capitalised surname behind them. Of the languages that have capitals; the others
are `people_uncased`'s.
"""

# ruff: noqa: SIM905 (word lists)

from __future__ import annotations

GIVEN = frozenset(
    """
    Aarav Aaron Abdul Abdullah Abigail Adalbert Adela Adele Aditi Aditya Adolfo Adrian Adriana Agata
    Agnes Agnieszka Ahmad Ahmed Aino Aisha Akash Akira Alan Albert Alberto Albin Alejandra Alejandro
    Aleksander Aleksandr Aleksandra Alena Alessandra Alessandro Alessia Alexander Alexandra Alexandre
    Aleš Alfonso Alfred Alfredo Alice Alicia Alina Alisha Alison Allison Alma Alojz Alyssa Amalie Amanda
    Amara Ambrož Amelia Amina Amir Amit Amy Amélie Ana Ananya Anastasia Anaïs Anders Andrea Andreas
    Andreea Andrei Andrej Andrew Andrzej André Andrés Andy Anette Angela Angelina Angelo Anil Anita Anja
    Anjali Anke Ann Anna Anne Anneke Annette Annie Annika Annikki Anouk Antal Anthony Antoine Anton
    Antonella Antonia Antonio Antonín Antti António Arjun Arnaud Arne Arnold Arthur Arto Arturo Arvid
    Ashley Astrid Attila Aurélie Aylin Ayumi Ayşe Babak Balázs Barbara Barbora Bartosz Bartłomiej
    Bastian Beata Beatrice Beatriz Bence Benedikt Benito Benjamin Benny Benoît Berit Bernard Bernardo
    Bernd Berta Bertrand Beth Betty Bianca Birgit Birgitta Birna Bjarne Björn Blanca Blanche Blaž Bodil
    Bogdan Boris Bořivoj Boštjan Božena Brandon Branko Brenda Brian Bridget Bruno Bryan Burak
    Béla Caitlin Caitlyn Camila Camilla Camille Candice Carina Carla Carlo Carlos Carmen Carol Caroline
    Caspar Catarina Catherine Cathy Cecilia Cecilie Cem Cesar Charles Chiamaka Chiara Chinedu Chioma
    Chloe Chloé Chris Christer Christiane Christina Christine Christoph Christophe Christopher Cindy
    Claire Clara Claudia Claudio Clément Colin Connor Courtney Cristian Cristina Csaba Cynthia Czesław
    Cécile Céline César Dagmar Damian Damir Daniel Daniela Daniele Danielle Danny Danuta Daria Dariusz
    Darko Darren David Davide Davor Deborah Debra Deepak Deepika Delphine Denise Dennis Derek Desmond
    Diana Diane Dieter Dimitri Dirk Ditte Divya Dmitri Dmitry Dominic Dominik Dominika Dominique Donald
    Donna Doris Dorota Dorothea Dorothy Doug Douglas Duncan Dušan Dylan Dénes Edgar Edit Eduardo Edward
    Edwin Eileen Einar Eino Eirik Elaine Eleanor Elena Eleni Eleonora Elias Elif Elin Elisa Elisabeth
    Eliza Elizabeth Elke Ella Ellen Ellie Elmer Elsa Elżbieta Emeka Emelie Emese Emil Emilia
    Emilie Emily Emine Emma Emmanuel Emre Endre Enrico Enrique Eric Erica Erik Erika Erkki Erling Erna
    Ernesto Erwin Erzsébet Esra Esteban Esther Etelka Ethan Eugene Eugenia Eva Evan Evelina Evelyn Ewa
    Fabian Fabio Farah Fatima Fatma Fatoumata Federica Federico Felicia Felicity Felipe Felix
    Ferenc Fernanda Fernando Filip Fiona Florian Frances Francesca Francesco Francis Franco Franz
    François Françoise Fred Frederic Frederick Frederik Frederikke Fredrik Frida Friedrich Fritz
    Frédéric Gabriel Gabriela Gabriele Gabriella Gareth Gary Gaëtan Gemma Geoffrey Georg George
    Georges Gerald Gerard Gerda Gergely Gerhard Gertrud Gianluca Gianni Gilbert Gilles Gillian Gina
    Giorgio Giovanna Giovanni Gisela Giulia Giuseppe Gizella Gloria Gonzalo Gonçalo Goran Gorazd Gordon
    Greg Gregory Greta Grzegorz Gudrun Guido Guillaume Guillermo Gunilla Gunnar Gustav Gustavo Guðrún
    Gyula György Gábor Gísli Gökhan Günter Haakon Halina Halldór Hamza Hanna Hannah Hanne Hannele Hannu
    Hans Harald Harold Harry Haruka Haruto Hasan Hassan Hector Heidi Heike Heikki Heini Heinrich Heinz
    Helen Helena Helene Helga Helgi Helmut Hendrik Henning Henri Henrik Henry Henryk Herbert Hermann
    Hilda Hilde Hilkka Hiroshi Holger Howard Hubert Hugh Hugo Håkan Héctor Hélène Hüseyin Iain Ian
    Ibrahim Ida Idris Ignacio Igor Ikram Ilaria Ildikó Ilse Imran Imre Inga Ingeborg Inger Ingo Ingrid
    Inès Inês Irena Irene Irina Isaac Isabel Isabella Isabelle Ismail István Ivan Ivana Jaakko Jaana
    Jacek Jacob Jacqueline Jacques Jadwiga Jaime Jakob Jakub Jamal James Jana Jane Janet Jani Janice
    Janina Janne Janusz Jared Jari Jarmila Jaroslav Jarosław Jason Jasper Jaspreet Javier Jeanette
    Jeanne Jeff Jeffrey Jenna Jennie Jennifer Jenny Jens Jere Jeremy Jerzy Jesper Jessica Jesús Jiho
    Jill Jim Jimmy Jindřich Jiří Joachim Joan Joana Joanna Joanne Joaquim Joaquín Joel Johan Johann
    Johanna Johanne Johannes John Johnathan Johnny Jonas Jonathan Jorge Josef Josefina Josefine Joseph
    Josephine Joshua Josip José Joyce Jozef João Jožef Juan Juana Judith Judy Juha Jukka Julia Julian
    Juliana Julie Julien Julieta Julietta Juliette Julio Justin Justyna Jutta János Jérôme Jón Jónas
    Jörg Jürgen Kaarina Kaisa Kaitlyn Kalle Kamil Kaori Karel Karen Kari Karim Karin Karine Karl Karla
    Karolina Kasper Katalin Katarina Katarzyna Kate Kateřina Katharina Katherine Kathleen Kathryn Kathy
    Katie Katinka Katja Katka Katri Katrin Katrine Kavita Keiko Keith Kelly Kelsey Kemal Kenji Kenneth
    Kerry Kerstin Kevin Khadija Khalid Kimberly Kirsi Kirsten Kjell Klaus Knut Konstantin Kristen
    Kristian Kristin Kristina Kristine Kristinn Kristján Kristín Krisztina Krisztián Krystyna Krzysztof
    Kumar Květa Kwame Kyle Károly Ladislav Lajos Larry Lars Lasse Laura Lauren Laurent Lauri Laurie
    Layla Leah Leif Leila Lena Lene Leonard Leonardo Leonie Leopold Leslie Leticia Liam Libuše Liisa
    Lilian Linda Linnea Lisa Lise Liselotte Ljubica Ljubomir Lorena Lorenzo Loretta Lotte Louis Louise
    Lubomír Luc Lucas Lucia Luciana Lucie Lucjan Lucy Lucía Ludmila Ludwig Luigi Luis Luisa Luka Lukas
    Luke Lukáš Luís Lynn László Maarten Maciej Madeleine Magdalena Magnus Mahesh Mahmoud Malin Malte
    Manfred Manish Manolo Manon Manuel Manuela Marc Marcel Marcela Marcelo Marcia Marcin Marcio Marco
    Marcos Marcus Marek Margaret Margarita Margit Margot Margrethe Margrét Maria Mariam Mariana Marianne
    Mariano Marie Marijan Marika Mariko Marion Mariusz Marjan Marjorie Marko Markus Markéta Marlene
    Marta Martha Martin Martina Martín Mary María Matej Mateo Mateusz Mathias Mathieu Mathilde Matilda
    Matjaž Mats Matteo Matthew Matthias Matthieu Matti Mattias Matías Matěj Maureen Maurice Maurizio
    Mauro Maxime Małgorzata Meera Megan Mehmet Melanie Melissa Meredith Merve Mette Michael Michaela
    Michał Michel Michela Michele Michelle Miguel Mihály Mikael Mike Mikhail Miklós Milan Milena Milica
    Miloslav Miloš Minjun Miranda Mirjam Mirko Miroslav Mirosław Mischa Mitja Mohamed Mohammad Mohammed
    Moira Mona Monica Monika Monique Morten Muhammad Murat Mustafa Myriam Nadia Nadine Nancy Nanna Naoko
    Naomi Natalia Natalie Natasha Nataša Nathalie Nathan Natália Neha Neil Neža Ngozi Nguyen Niamh
    Nicholas Nicola Nicolas Nicole Nigel Niklas Niko Nikola Nikolai Nikolaj Nikos Nils Nina Noah Norbert
    Norma Noémie Núria Octavio Oddný Odile Olaf Oldřich Oleg Olga Oliver Olivia Olivier Oliwia Oluwaseun
    Omar Omari Ondřej Oscar Oskar Otto Ottó Outi Pablo Pamela Paola Paolo Parisa Pascal Patricia Patrick
    Patrizia Patryk Paul Paula Pauline Paulo Pavel Pavla Pavlína Paweł Peder Pedro Pekka Penelope
    Pernille Perttu Peter Petr Petra Philip Philipp Philippe Phillip Phoebe Pia Pierre Pieter Pietro
    Piotr Pirjo Pooja Pradeep Prakash Primož Priya Pál Rachel Radek Radka Radomír Radovan Rafael
    Rafał Ragnar Ragnhild Rahul Raimo Rainer Raj Rajesh Rajiv Rakesh Ralph Ramona Ramón Raquel Rasmus
    Ravi Raymond Raymundo Raúl Rebecca Regina Reijo Reinhard Reino Renata René Renée Reza Rhys Ricardo
    Riccardo Richard Riikka Risto Rita Robbie Robert Roberta Roberto Rodrigo Roger Rohan Rohit Roland
    Rolf Romain Ronald Ronja Rosa Rosalie Rosanna Rosario Rosemary Roxana Roxanne Rubén Rudolf Rui Ruth
    Ryan Rūta Růžena Sabine Sabrina Sakari Salla Salma Salvatore Samantha Samira Samuel Sandeep Sandra
    Sandrine Sanjay Sanna Sara Sarah Satoshi Satu Saša Scott Sean Sebastian Selin Selina Selma Serena
    Sergei Sergey Sergio Serkan Seth Shannon Sharon Shawn Sheila Shirley Shreya Shweta Siddharth Signe
    Sigrid Sigríður Sigurður Siiri Silje Silke Silvia Silvie Simen Simon Simona Simone Siobhan Sirpa
    Slavko Sofie Sofija Sofía Solveig Sonia Sonja Sophia Sophie Stanislav Stanisław Stanley Stefan
    Stefania Stefanie Stefano Stefanía Steffen Steinar Stella Sten Stephan Stephanie Stephen Steve
    Steven Stig Stuart Stéphane Stéphanie Sumit Sunil Suresh Susan Susana Susanne Suzanne Sven Svetlana
    Sylvia Sylvie Szilvia Szymon Sándor Sébastien Søren Tadeusz Takashi Takeshi Tamara Tamás
    Tania Tanya Tapio Tariq Tarja Tatiana Tatyana Teemu Teodor Teresa Tereza Terezija Teruo Thea Thelma
    Theodore Theresa Thierry Thomas Thora Thorsten Thérèse Tiago Tibor Tilly Tim Timothy Tina Tobias Tom
    Tomasz Tomaž Tomislav Tomás Tomáš Tony Torben Torbjörn Toril Torsten Tracy Trevor Trine
    Troels Trond Tuomas Turid Tuula Tuğba Tyrone Udo Ulf Ulla Ulrich Ulrike Ursula Urška Usman Ute
    Valentina Valeria Valérie Vanessa Veera Veikko Vendula Vera Verena Veronica Veronika Verónica Vesna
    Vibeke Vicente Victor Viggo Vijay Vikram Viktor Viktória Ville Vilmos Vincent Vincenza Vincenzo
    Violeta Vishal Vivian Viviana Vivienne Vladimir Vladimír Vlasta Vojtěch Volkan Volker Václav
    Véronique Víctor Walter Walther Wanda Wanjiru Wayne Wendy Werner Weronika Wiebke Wilhelm William
    Wilma Winfried Wojciech Wolfgang Xavi Xavier Ximena Yasmin Yasmine Yoko Yolanda Yosef Yuki Yuri
    Yusuf Yuto Yvan Yvette Yvonne Zachary Zainab Zbigniew Zdenka Zdeněk Zeynep Zita Zlatko Zoe Zofia
    Zoltán Zoran Zoé Zsolt Zsuzsanna Zsófia Zuzana Álvaro Ásgeir Özlem Øyvind Þóra Łukasz Štefan
    Štěpán Šárka Željko Žiga
    Γιάννης Γιώργος Δημήτρης Ελένη Κατερίνα Κώστας Μαρία Νίκος Александр Алексей Алина Анастасия Андрей
    Анна Антон Артём Борис Валентина Валерий Василий Виктор Виктория Владимир Вячеслав Галина Григорий
    Даниил Дарья Денис Дмитрий Евгений Евгения Екатерина Елена Иван Игорь Илья Ирина Кирилл Ксения
    Людмила Максим Марина Мария Михаил Наталья Никита Николай Оксана Олег Ольга Павел Пётр Светлана
    Сергей София Степан Татьяна Фёдор Юлия Юрий Яна
    """.split()
)

AMBIGUOUS = frozenset(
    """
    Adam Alexa Alexis Amber Angel Ante April Art Asta Audrey August Augustin Austin Basil Bill Blake Bo
    Bob Bobby Brad Brett Brooke Carolina Carter Chad Charlie Charlotte Chase Chelsea Christian Claude
    Cliff Cody Crystal Curtis Dakota Dale Dan Dawn Dean Diego Don Dora Drew Earl Ed Eden Edith Else
    Ernst Esa Eve Faith Flora Florence Ford Francisco Frank Gale Ganesh Garrett Gene Georgia Ginger Glen
    Grace Graham Grant Guy Harvey Hazel Heath Heather Hope Hunter Hyun Iris Isla Iva Ivo Ivy Jack Jade
    Jake Jan Jasmin Jasmine Jay Jean Jessie Jesus Jo Joe Jordan Joy Jude June Kai Ken Kim Kurt Lakshmi
    Lance Lee Leo Lily Lina Lincoln Line Lou Lydia Maja Marina Mario Mark Marshall Mason Matt Max May
    Mei Melody Mercedes Mert Mia Miles Mina Mira Morgan Nelson Nick Noor Nora Norman Nur Olive Paige
    Paris Pat Pearl Penny Pepe Pete Phil Ray Reed Rich Rick Rob Robin Rocky Rod Rok Roman Rose Ross Roy
    Ruby Rudy Rusty Saku Sakura Sally Sam Sander Santa Santiago Sari Savannah Sini Skye Sofia Stan Stina
    Sue Summer Sydney Taylor Tea Ted Terry Theo Tilde Timo Todd Tone Tor Tore Tyler Urban Van Victoria
    Vida Violet Virginia Wade Ward Warren Wei Will Winston Wolf Xin Yoshi
    """.split()
)
