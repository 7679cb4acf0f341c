/* src/engine/aside_test.c: what few jobs have aside comes, changes, goes, and is put back by undoing. */
#include "engine/test_world.h"

struct fixture {
	struct world world;
	uint64_t uid;
	uint32_t job;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	world_open(&fixture.world);
	fixture.uid = world_enqueue(&fixture.world, "q", "g");
	fixture.job = job_find(&fixture.world.engine->index, fixture.uid);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	world_close(&((struct fixture *)*state)->world);
	return 0;
}

static struct index *index_of(struct fixture *fixture)
{
	return &fixture->world.engine->index;
}

static enum err change(struct fixture *fixture, uint32_t parent, uint32_t deferred)
{
	struct batch *batch = fixture->world.engine->open;
	struct aside wanted = ASIDE_NOTHING;
	wanted.first_parent = parent;
	wanted.deferred = deferred;
	enum err err = job_touch(batch, index_of(fixture), fixture->job);
	err = err ? err : aside_change(batch, index_of(fixture), fixture->job, &wanted);
	return err ? err : job_place(index_of(fixture), fixture->job);
}

static uint32_t parent_of(struct fixture *fixture)
{
	return aside_of(index_of(fixture), job_at(index_of(fixture), fixture->job))->first_parent;
}

static void nothing_is_aside_of_most_jobs(void **state)
{
	struct fixture *fixture = *state;
	assert_true(aside_is_nothing(aside_of(index_of(fixture), job_at(index_of(fixture), fixture->job))));
	assert_int_equal(index_of(fixture)->asides.live, 0);
}

static void a_change_is_undone_to_each_mark(void **state)
{
	struct fixture *fixture = *state;
	struct batch *batch = fixture->world.engine->open;
	struct mark marks[4];
	const uint32_t parents[] = { 7, 8, SLOT_NONE, 9 };
	for (int i = 0; i < 4; i++) {
		marks[i] = batch_mark(batch);
		assert_int_equal(change(fixture, parents[i], SLOT_NONE), E_OK);
		assert_int_equal(parent_of(fixture), parents[i]);
	}
	for (int i = 3; i >= 0; i--) {
		batch_undo(batch, index_of(fixture), marks[i]);
		assert_int_equal(parent_of(fixture), i ? parents[i - 1] : SLOT_NONE);
	}
	assert_int_equal(index_of(fixture)->asides.live, 0);
	engine_verify(fixture->world.engine);
}

static void a_commit_lets_go_of_older_ones(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(change(fixture, 7, SLOT_NONE), E_OK);
	assert_int_equal(change(fixture, 8, SLOT_NONE), E_OK);
	assert_int_equal(index_of(fixture)->asides.live, 2);
	world_step(&fixture->world);
	world_step(&fixture->world);
	assert_int_equal(index_of(fixture)->asides.live, 1);
	assert_int_equal(parent_of(fixture), 8);
}

static void a_refused_commit_puts_the_old_one_back(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(change(fixture, 7, SLOT_NONE), E_OK);
	world_step(&fixture->world);
	world_step(&fixture->world);
	store_mem_set_automatic(fixture->world.store, false);
	assert_int_equal(change(fixture, SLOT_NONE, SLOT_NONE), E_OK);
	world_step(&fixture->world);
	assert_int_equal(store_mem_in_flight(fixture->world.store), 1);
	store_mem_settle(fixture->world.store, 1, SETTLE_REFUSE);
	world_step(&fixture->world);
	assert_int_equal(parent_of(fixture), 7);
	assert_int_equal(index_of(fixture)->asides.live, 1);
	store_mem_set_automatic(fixture->world.store, true);
}

static void names_aside_are_held(void **state)
{
	struct fixture *fixture = *state;
	struct batch *batch = fixture->world.engine->open;
	uint32_t name;
	struct mark mark = batch_mark(batch);
	assert_int_equal(name_hold(index_of(fixture), STR("job stalled too often"), &name), E_OK);
	assert_int_equal(change(fixture, SLOT_NONE, name), E_OK);
	name_drop(index_of(fixture), name); /* the aside's own hold is left */
	assert_int_equal(change(fixture, 5, name), E_OK);
	assert_int_equal(index_of(fixture)->names.live, 1);
	batch_undo(batch, index_of(fixture), mark);
	assert_int_equal(index_of(fixture)->names.live, 0);
}

static void an_aside_leaves_with_its_job(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(change(fixture, 7, SLOT_NONE), E_OK);
	world_step(&fixture->world);
	assert_int_equal(world_by_hand(&fixture->world, OP_DELETE, fixture->uid), E_OK);
	world_step(&fixture->world);
	assert_int_equal(job_find(index_of(fixture), fixture->uid), SLOT_NONE);
	assert_int_equal(index_of(fixture)->asides.live, 0);
	assert_int_equal(index_of(fixture)->asides_by_uid.count, 0);
}

static void a_change_without_memory_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct batch *batch = fixture->world.engine->open;
	for (uint64_t nth = 1;; nth++) {
		struct mark mark = batch_mark(batch);
		mem_fail_after(nth, MEM_FAIL_ONE);
		enum err err = change(fixture, 7, SLOT_NONE);
		mem_fail_disarm();
		if (!err)
			break;
		assert_int_equal(err, E_NOMEM);
		batch_undo(batch, index_of(fixture), mark);
		assert_int_equal(parent_of(fixture), SLOT_NONE);
		assert_int_equal(index_of(fixture)->asides.live, 0);
	}
	assert_int_equal(parent_of(fixture), 7);
}

static void numbers_go_back(void **state)
{
	struct fixture *fixture = *state;
	struct batch *batch = fixture->world.engine->open;
	uint64_t number = 1;
	struct mark mark = batch_mark(batch);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(batch_value(batch, &number), E_OK);
		number *= 10;
	}
	batch_undo(batch, index_of(fixture), mark);
	assert_int_equal(number, 1);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_aside_of_most_jobs),
		TEST(a_change_is_undone_to_each_mark),
		TEST(a_commit_lets_go_of_older_ones),
		TEST(a_refused_commit_puts_the_old_one_back),
		TEST(names_aside_are_held),
		TEST(an_aside_leaves_with_its_job),
		TEST(a_change_without_memory_changes_nothing),
		TEST(numbers_go_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
