//! The list of the tests in `tests/database_servers`, with their needs.
//!
//! A build without the features `mysql` and `postgres` does not contain them, and lists them as ignored.

#[cfg(not(all(feature = "mysql", feature = "postgres")))]
use crate::need::DATABASES;
use crate::need::{
    MARIADB, MARIADB_CLIENTS, MYSQL_SERVER, PGBOUNCER, POSTGRES, POSTGRES_CLIENTS, POSTGRES_SERVER,
    REDIS, SQLITE_CLIENT,
};
use crate::test::Test;

#[cfg(all(feature = "mysql", feature = "postgres"))]
macro_rules! tests {
    ($($module:ident :: $function:ident $needs:tt,)*) => {
        vec![$(Test::new(
            concat!(stringify!($module), "::", stringify!($function)),
            &$needs,
            crate::$module::$function,
        )),*]
    };
}

#[cfg(not(all(feature = "mysql", feature = "postgres")))]
macro_rules! tests {
    ($($module:ident :: $function:ident $needs:tt,)*) => {
        vec![$(Test::new(
            concat!(stringify!($module), "::", stringify!($function)),
            &[&$needs[..], &[DATABASES]].concat(),
            || (),
        )),*]
    };
}

pub fn tests() -> Vec<Test> {
    let mut tests = tests![
        adoption::a_database_of_the_typescript_server_is_taken_over_in_place[MYSQL_SERVER],
        adoption::a_database_of_a_newer_typescript_server_is_taken_over_in_place[MYSQL_SERVER],
        adoption::a_column_that_is_there_already_keeps_what_is_in_it[MYSQL_SERVER],
        adoption::what_was_done_and_not_noted_may_be_done_again[MYSQL_SERVER],
        adoption::another_programs_payments_are_not_ours[MYSQL_SERVER],
        adoption::keys_in_capitals_are_keys[MYSQL_SERVER],
        archive::three_kinds_of_databases_hold_the_same[MYSQL_SERVER, POSTGRES_SERVER],
        archive::what_another_server_has_taken_as_a_payment_pays_nothing_after_a_move[MYSQL_SERVER, POSTGRES_SERVER],
        backups::sqlite_comes_back[SQLITE_CLIENT],
        backups::mariadb_comes_back[MYSQL_SERVER, MARIADB_CLIENTS],
        backups::postgresql_comes_back[POSTGRES_SERVER, POSTGRES_CLIENTS],
        encryption::mariadb_is_held_to_the_authority_that_is_given[MARIADB],
        encryption::postgresql_is_held_to_the_authority_that_is_given[POSTGRES],
        failover::a_mariadb_that_takes_no_writes_for_a_while_is_left_and_found_again[MARIADB],
        failover::a_postgresql_that_takes_no_writes_for_a_while_is_left_and_found_again[POSTGRES],
        failover::closed_connections_of_mariadb_are_not_noticed[MARIADB],
        failover::closed_connections_of_postgresql_are_not_noticed[POSTGRES],
        failover::of_several_hosts_of_mariadb_the_one_that_takes_writes_is_used[MARIADB],
        failover::of_several_hosts_of_postgresql_the_one_that_takes_writes_is_used[POSTGRES],
        imposed_settings::what_mariadb_imposes_changes_nothing[MARIADB],
        imposed_settings::what_mariadb_does_not_allow_is_named_and_leaves_no_tables[MARIADB],
        imposed_settings::what_postgresql_imposes_changes_nothing[POSTGRES],
        imposed_settings::what_postgresql_does_not_allow_is_named_and_leaves_no_tables[POSTGRES],
        killed_connections::a_connection_to_mariadb_may_be_cut_in_each_phase[MARIADB],
        killed_connections::a_connection_to_postgresql_may_be_cut_in_each_phase[POSTGRES],
        killed_connections::a_connection_to_mariadb_that_ends_no_transaction_is_closed[MARIADB],
        killed_connections::connections_to_mariadb_may_be_cut_at_any_time[MARIADB],
        killed_connections::connections_to_postgresql_may_be_cut_at_any_time[POSTGRES],
        large_messages::what_the_database_would_not_take_is_refused_before_it_fails_for_others[MYSQL_SERVER],
        poolers::a_pooler_that_shares_sessions_is_refused_by_name[POSTGRES, PGBOUNCER],
        poolers::a_pooler_that_keeps_sessions_is_no_obstacle[POSTGRES, PGBOUNCER],
        restarts::a_mariadb_that_is_killed_takes_nothing_along[MARIADB],
        restarts::a_postgresql_that_is_killed_takes_nothing_along[POSTGRES],
        rolling_upgrade::a_migration_takes_no_list_away_from_servers_that_run[POSTGRES_SERVER],
        round_trips::a_group_on_postgresql_takes_as_many_as_one_write[POSTGRES_SERVER],
        round_trips::a_group_on_mariadb_takes_as_many_as_one_write[MYSQL_SERVER],
        round_trips::reads_on_postgresql_take_two[POSTGRES_SERVER],
        round_trips::reads_on_mariadb_take_two[MYSQL_SERVER],
        round_robin::with_redis_no_client_shakes_hands_again[POSTGRES_SERVER, REDIS],
        round_robin::with_postgresql_no_client_shakes_hands_again[POSTGRES_SERVER],
        round_robin::with_mariadb_no_client_shakes_hands_again[MYSQL_SERVER],
        silence::a_mariadb_that_ends_silent_connections_soon_is_no_obstacle[MARIADB],
        similar_ids::mariadb_takes_similar_ids_for_two[MYSQL_SERVER],
        similar_ids::postgresql_takes_similar_ids_for_two[POSTGRES_SERVER],
        similar_ids::sqlite_takes_similar_ids_for_two[],
        three_nodes::three_nodes_on_mariadb_are_as_one_whatever_fails[MARIADB, REDIS],
        three_nodes::three_nodes_on_postgresql_are_as_one_whatever_fails[POSTGRES, REDIS],
    ];
    tests.extend(long_tests().into_iter().map(Test::long));
    tests
}

/// The tests that `tests/long/rolling_upgrade` runs.
fn long_tests() -> Vec<Test> {
    tests![
        rolling_upgrade::two_versions_work_side_by_side_on_postgresql[POSTGRES_SERVER, REDIS],
        rolling_upgrade::two_versions_work_side_by_side_on_mariadb[MYSQL_SERVER, REDIS],
    ]
}
