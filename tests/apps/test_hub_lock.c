// SPDX-License-Identifier: Apache-2.0
// One pull at a time: whoever lives keeps the lock, whoever died does not.
#include "apps/hub/hub_lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

static void put_owner(const nb_hub_owner *owner)
{
    char text[128];
    snprintf(text, sizeof text, "%llu %llu %s\n", (unsigned long long)owner->process,
             (unsigned long long)owner->start_time, owner->boot);
    assert_true(nb_scratch_put("lock", text));
}

static void it_is_taken_and_given_back(void **state)
{
    (void)state;
    nb_hub_lock lock, second;
    nb_hub_owner owner;
    assert_int_equal(nb_hub_lock_try(&lock, "lock", &owner), NB_HUB_LOCK_HELD);
    assert_int_equal(owner.process, 0);
    assert_int_equal(nb_hub_lock_try(&second, "lock", &owner), NB_HUB_LOCK_BUSY); // flock is of the open file
    assert_int_equal(owner.process, getpid());
    nb_hub_lock_release(&lock);
    assert_int_equal(nb_hub_lock_try(&second, "lock", &owner), NB_HUB_LOCK_HELD);
    nb_hub_lock_release(&second);
    nb_hub_lock_release(&second); // does nothing
}

// A child takes the lock, tells, and waits to be killed.
static pid_t start_owner(void)
{
    int tell[2];
    char byte;
    assert_int_equal(pipe(tell), 0);
    pid_t child = fork();
    if (child == 0) {
        nb_hub_lock lock;
        nb_hub_owner owner;
        if (nb_hub_lock_try(&lock, "lock", &owner) == NB_HUB_LOCK_HELD && write(tell[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(tell[1]);
    assert_int_equal(read(tell[0], &byte, 1), 1);
    close(tell[0]);
    return child;
}

static void the_lock_of_a_killed_owner_is_taken_over(void **state)
{
    (void)state;
    nb_hub_lock lock;
    nb_hub_owner owner;
    pid_t child = start_owner();
    assert_int_equal(nb_hub_lock_try(&lock, "lock", &owner), NB_HUB_LOCK_BUSY);
    assert_int_equal(owner.process, child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(nb_hub_lock_try(&lock, "lock", &owner), NB_HUB_LOCK_HELD);
    assert_int_equal(owner.process, child);
    nb_hub_lock_release(&lock);
}

// As on a file system whose flock is granted to everybody.
static void a_living_owner_keeps_it_without_flock(void **state)
{
    (void)state;
    nb_hub_lock lock;
    nb_hub_owner owner;
    pid_t child = start_owner();
    assert_int_equal(rename("lock", "flocked"), 0);
    assert_int_equal(link("flocked", "other"), 0);
    FILE *file = fopen("flocked", "r");
    char text[128] = "";
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_true(nb_scratch_put("lock", text)); // the same words in a file that nobody holds
    assert_int_equal(nb_hub_lock_try(&lock, "lock", &owner), NB_HUB_LOCK_BUSY);
    assert_int_equal(owner.process, child);
    owner.start_time++; // another process of that number
    put_owner(&owner);
    assert_int_equal(nb_hub_lock_try(&lock, "lock", &owner), NB_HUB_LOCK_HELD);
    nb_hub_lock_release(&lock);
    owner.start_time--;
    memset(owner.boot, '1', 36); // before the machine was started again
    put_owner(&owner);
    assert_int_equal(nb_hub_lock_try(&lock, "lock", &owner), NB_HUB_LOCK_HELD);
    nb_hub_lock_release(&lock);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void any_text_is_an_owner_or_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "x", "1", "1 2", "0 0 a", "-1 5 abc", "99999999999999999999 1 abc", "1 2 !!"};
    nb_hub_owner owner;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (nb_hub_owner_parse(&owner, bad[i]) || nb_hub_owner_lives(&owner))
            fail_msg("taken: %s", bad[i]);
    assert_true(nb_hub_owner_here(&owner));
    assert_true(nb_hub_owner_lives(&owner));
}

static void what_is_no_file_is_no_lock(void **state)
{
    (void)state;
    nb_hub_lock lock;
    nb_hub_owner owner;
    assert_int_equal(mkdir("lock", 0777), 0);
    assert_int_equal(nb_hub_lock_try(&lock, "lock", &owner), NB_HUB_LOCK_FAILED);
    assert_int_equal(nb_hub_lock_try(&lock, "none/lock", &owner), NB_HUB_LOCK_FAILED);
    assert_int_equal(symlink("elsewhere", "link"), 0);
    assert_int_equal(nb_hub_lock_try(&lock, "link", &owner), NB_HUB_LOCK_FAILED);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(it_is_taken_and_given_back),
        IN_SCRATCH(the_lock_of_a_killed_owner_is_taken_over),
        IN_SCRATCH(a_living_owner_keeps_it_without_flock),
        cmocka_unit_test(any_text_is_an_owner_or_none),
        IN_SCRATCH(what_is_no_file_is_no_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
