//! The list of all cases, and the macros that make tests of it.

/// Makes a test of every case of the suite.
///
/// Takes the name of a function, in the same module, that answers a fresh
/// [`Harness`](crate::conformance::Harness), or an `Option` of one: without it, because there is no
/// server to test, a case passes over itself, and the function has said so. The tests stand in one
/// module per clause. The crate that calls it needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! conformance_suite {
    ($make:ident) => {
        $crate::conformance_tests! { $make
            submit {
                an_accepted_message_is_kept_as_it_was_asked_for,
                answers_stand_in_the_order_of_the_drafts,
                of_two_equal_ids_in_one_batch_the_first_is_accepted,
                an_id_that_is_known_in_any_state_is_refused,
                a_delay_is_counted_from_the_submit_on_the_stores_clock,
                a_time_to_come_is_waited_for,
                a_time_that_has_passed_is_now,
                a_delay_of_zero_is_now,
                every_option_reaches_the_worker,
                a_payload_may_be_any_bytes,
                the_largest_payload_is_kept,
                names_are_only_names,
                what_was_accepted_is_there_after_closing,
                a_removed_id_may_be_used_again,
                nothing_submitted_is_answered_with_nothing,
            }
            order {
                a_lower_priority_number_runs_first,
                one_priority_runs_in_the_order_of_submits,
                ids_do_not_decide_the_order,
                a_claim_in_parts_keeps_the_order,
                priority_is_exact_over_all_lines_asked_for,
                of_equal_heads_the_one_that_waits_longest_goes_first,
                a_retry_joins_its_line_when_it_becomes_ready,
                a_promoted_message_joins_its_line_when_it_becomes_ready,
                a_released_message_joins_its_line_when_it_is_given_back,
                a_requeued_message_joins_its_line_when_it_is_put_back,
                what_joins_a_line_keeps_its_priority,
                a_list_of_queues_is_strict_preference,
                a_queue_is_never_taken_for_one_with_a_like_name,
                a_task_is_never_taken_for_one_with_a_like_name,
                tasks_of_queues_are_strict_by_queue_then_task_then_priority,
                any_takes_the_queues_in_turn_one_message_each,
                the_turn_of_a_claim_says_which_queue_begins,
                the_greatest_turn_is_a_turn,
                unknown_tasks_stay_and_cost_the_others_nothing,
                naming_a_line_twice_hands_nothing_out_twice,
                several_workers_share_one_order,
            }
            claim {
                a_claim_hands_out_at_most_what_was_asked_for,
                a_claim_ends_once_its_payloads_are_large_enough,
                a_claim_counts_and_names_its_worker,
                each_claim_makes_a_greater_token,
                what_is_held_is_not_handed_out_again,
                an_empty_store_hands_out_nothing,
                who_asks_for_no_task_gets_none,
                what_is_scheduled_or_ended_is_not_handed_out,
                a_message_that_is_due_waits_for_its_promotion,
                an_expired_message_is_never_handed_out,
                a_message_lost_twice_is_handed_out_alone,
                a_claim_stops_before_one_that_is_to_be_alone,
                a_large_claim_stops_before_one_that_is_to_be_alone,
                a_message_handed_out_alone_counts_as_started,
                only_a_worker_with_a_lease_may_claim,
                claims_go_on_counting_through_every_return,
            }
            batches {
                a_batch_is_handed_out_in_any_parts,
                a_batch_ends_in_any_parts_each_once,
                one_call_may_end_a_batch_in_every_way,
                only_its_worker_ends_a_batch,
                a_known_one_in_a_batch_is_refused_alone,
                one_of_a_waiting_batch_is_called_off_alone,
                a_batch_all_of_which_is_called_off_leaves_its_line,
                one_of_a_batch_comes_back_to_its_place,
                a_batch_of_many_lines_is_merged_in_its_order,
                windows_cut_through_batches,
                every_message_of_a_batch_is_counted,
                an_id_of_a_batch_may_be_used_again,
                a_note_may_be_left_with_one_of_a_batch,
                what_is_left_of_a_batch_returns_from_a_dead_worker,
                a_worker_that_leaves_gives_a_batch_back,
                a_batch_goes_when_its_retention_has_ended,
                an_audit_looks_at_every_message_of_a_batch,
            }
            lease {
                an_incarnation_joins_once,
                before_the_end_of_a_lease_nothing_is_taken,
                a_lease_that_has_ended_is_found,
                a_renewed_lease_lasts,
                a_lease_may_be_made_shorter,
                leaving_gives_back_what_is_held,
                leaving_twice_or_unknown_is_harmless,
                who_left_is_refused_everywhere,
                who_was_found_dead_is_refused_everywhere,
                who_never_joined_is_refused_everywhere,
                a_heartbeat_passes_over_attempts_that_have_ended,
                a_heartbeat_marks_no_attempt_of_an_older_token,
                a_heartbeat_carries_its_most_started_attempts,
                what_has_become_of_a_token_is_told,
                workers_are_listed_with_what_they_hold,
                who_is_gone_is_listed_without_a_lease,
            }
            settle {
                every_verdict_moves_as_the_life_table_says,
                success_keeps_result_and_time,
                a_retry_waits_from_the_failure_on_the_stores_clock,
                a_failure_keeps_its_reason_and_its_error,
                a_release_changes_no_counter,
                one_snooze_too_many_is_rejected,
                a_late_settle_is_refused_and_changes_nothing,
                an_older_token_is_refused_even_to_the_one_who_holds_the_newer,
                a_token_is_worth_nothing_in_other_hands,
                a_token_of_the_future_is_refused,
                a_settle_is_not_done_twice,
                each_item_stands_for_itself_in_its_order,
                of_two_verdicts_on_one_attempt_the_first_counts,
                a_refused_item_leaves_nothing_behind,
                a_settle_claims_in_the_same_step,
                a_settle_without_items_may_claim,
                what_a_settle_submits_may_be_claimed_in_the_same_step,
                who_is_gone_settles_nothing_and_is_handed_nothing,
                what_is_not_in_the_store_cannot_be_settled,
                an_attempt_is_remembered,
                every_attempt_that_started_says_how_it_ended,
                what_was_given_back_unstarted_leaves_no_attempt,
                the_last_ten_attempts_are_kept,
                nothing_settled_is_answered_with_nothing,
                a_settled_message_is_held_by_nobody,
            }
            callbacks {
                a_success_submits_its_callbacks,
                a_callback_carries_its_lineage_and_the_result_before_it,
                a_callback_may_wait,
                a_refused_settle_submits_no_callback,
                a_known_callback_is_not_submitted_again,
                a_callback_that_has_run_is_not_submitted_again,
                one_callback_of_two_messages_is_submitted_once,
                only_the_settle_that_succeeds_submits_them,
            }
            results {
                reading_keeps_a_result,
                taking_a_result_deletes_it_and_keeps_the_message,
                one_result_asked_for_twice_is_taken_once,
                answers_stand_in_the_order_asked_for,
                a_success_without_a_result_says_so,
                a_result_that_was_too_large_leaves_its_size,
                the_largest_result_is_kept,
                a_result_may_be_any_bytes,
                a_message_that_has_not_ended_is_waited_for,
                a_dead_letter_says_why,
                a_dead_letter_that_never_ran_has_no_error,
                what_is_not_in_the_store_has_no_result,
                a_result_is_there_after_closing,
                an_earlier_failure_does_not_hide_the_result,
            }
            notes {
                details_are_there_for_readers,
                each_change_of_details_is_seen,
                what_is_saved_reaches_the_next_attempt,
                what_is_saved_outlives_its_worker,
                the_largest_notes_are_kept,
                a_note_under_a_stale_token_is_refused,
                a_note_after_the_end_is_refused,
            }
            revoke {
                a_message_that_waits_will_not_run,
                a_message_that_runs_is_taken_from_its_worker,
                a_revoked_message_is_not_rescued,
                those_that_run_may_be_spared,
                what_has_ended_cannot_be_revoked,
                each_id_is_answered_in_its_order,
                a_revocation_changes_no_counter,
            }
            update {
                another_priority_moves_a_message_in_its_line,
                another_priority_keeps_the_place_among_equals,
                a_priority_given_while_scheduled_counts_once_ready,
                a_later_time_takes_a_message_out_of_its_line,
                an_earlier_time_makes_a_message_ready,
                one_that_is_ready_and_may_start_now_keeps_its_place,
                payload_and_metadata_are_replaced_and_the_rest_stays,
                the_largest_payload_may_be_replaced_and_replace,
                an_update_changes_no_counter,
                what_does_not_wait_is_refused,
                each_update_is_answered_in_its_order,
            }
            requeue {
                a_dead_letter_is_ready_at_once,
                claims_go_on_and_the_other_counters_begin_again,
                the_old_error_stays_among_the_attempts,
                a_requeue_does_not_bring_an_old_token_back,
                an_expired_message_may_start_again_once_requeued,
                only_dead_letters_are_requeued,
                a_requeue_is_not_done_twice,
                a_replay_is_a_new_message,
                a_replay_does_not_wait_as_the_first_did,
                only_what_has_ended_is_replayed,
                a_replay_is_not_done_twice,
                a_removed_message_is_gone_with_its_result,
                a_message_may_be_removed_in_any_state_but_running,
                each_removal_is_answered_in_its_order,
            }
            promote {
                nothing_is_promoted_early,
                what_is_due_is_promoted_and_the_rest_told,
                a_step_promotes_at_most_what_was_asked_for_the_soonest_first,
                with_nothing_scheduled_nothing_is_due,
                a_promotion_changes_no_counter,
            }
            rescue {
                one_that_had_not_started_is_ready_at_once,
                the_first_loss_is_forgiven_at_once,
                from_the_second_loss_on_a_message_waits,
                one_loss_too_many_makes_a_dead_letter,
                a_message_that_ends_its_worker_at_once_ends_itself,
                those_prefetched_beside_it_lose_nothing,
                a_retry_forgets_strays_and_keeps_losses,
                the_living_keep_what_they_hold,
                a_step_takes_at_most_what_was_asked_for,
                a_rescue_is_not_done_twice,
                the_next_claim_has_a_greater_token,
                a_worker_that_held_nothing_is_buried_too,
            }
            expire {
                what_waits_too_long_is_a_dead_letter,
                nothing_expires_early,
                what_has_started_in_time_may_run_on,
                what_comes_back_too_late_expires,
                a_step_expires_at_most_what_was_asked_for,
                an_expiry_hides_nothing_that_is_to_come,
            }
            prune {
                by_default_success_is_kept_a_day_and_death_a_week,
                the_retention_of_the_handle_counts,
                the_result_ttl_of_a_message_counts_instead,
                beyond_the_count_the_oldest_go_first,
                the_dead_have_a_count_of_their_own,
                a_step_deletes_at_most_what_was_asked_for,
                what_has_not_ended_is_never_pruned,
                what_is_pruned_is_unknown_and_its_id_free,
                a_requeued_message_is_not_pruned,
            }
            audit {
                a_sound_store_needs_no_mending,
                an_audit_goes_on_where_it_ended,
                an_empty_store_is_sound,
                the_doctor_finds_a_sound_store_healthy,
            }
            look {
                records_stand_in_the_order_asked_for,
                nothing_asked_for_is_answered_with_nothing,
                a_message_nobody_submitted_is_unknown,
                claims_and_status_only_grow_in_one_life,
                a_brief_says_what_the_record_says,
                a_record_says_when_it_was_moved,
                all_messages_are_listed_the_newest_first_where_order_is_kept,
                ready_messages_are_listed_line_by_line_in_their_order,
                scheduled_messages_are_listed_the_soonest_first,
                running_messages_are_listed_with_their_worker,
                finished_messages_are_listed_the_last_to_go_first,
                an_empty_section_is_an_empty_list,
                a_window_has_at_most_500_rows,
                a_list_goes_on_although_its_last_row_is_gone,
                a_cursor_of_another_list_is_refused,
                counts_are_the_sum_of_the_records,
                an_empty_store_counts_nothing,
                queues_are_told_with_their_lines,
                every_handle_sees_the_same,
            }
            wake {
                a_submit_wakes_those_who_wait_for_work,
                each_line_that_is_filled_wakes_again,
                a_wait_that_has_begun_is_ended,
                what_happens_between_look_and_wait_is_not_missed,
                a_dropped_wait_loses_nothing,
                every_watch_is_rung,
                another_handle_wakes_too,
                a_scheduled_message_wakes_those_who_promote,
                whatever_makes_a_message_ready_wakes_those_who_wait_for_work,
                opening_a_paused_queue_wakes_those_who_wait_for_work,
                every_change_wakes_those_who_wait_for_a_message,
                a_revocation_wakes_the_workers,
                a_watch_that_was_not_rung_waits,
            }
            kv {
                a_value_is_kept_as_it_was_set_with_its_codec,
                a_later_value_replaces_the_one_before,
                set_if_absent_keeps_the_first,
                of_many_who_set_if_absent_one_succeeds,
                a_value_with_a_ttl_goes_by_itself,
                a_new_value_keeps_the_ttl_unless_it_says_otherwise,
                what_had_expired_leaves_no_ttl_behind,
                a_ttl_can_be_given_and_taken_later,
                a_deleted_value_is_gone,
                a_scan_goes_through_the_keys_of_a_prefix_in_order,
                the_names_of_keys_are_only_names,
                a_window_of_a_scan_has_an_end,
                buckets_have_nothing_to_do_with_each_other,
                a_bucket_is_cleared_in_steps_with_its_sets,
                a_batch_of_keys_beyond_the_limit_is_refused_whole,
                the_largest_value_is_kept,
                values_are_there_after_closing,
                expired_values_do_not_become_ever_more,
            }
            sets {
                members_stand_by_score_then_by_name,
                adding_again_changes_the_score,
                scores_are_kept_to_the_last_bit,
                a_range_goes_on_where_it_ended,
                a_window_of_a_range_has_an_end,
                what_is_discarded_is_gone,
                a_pop_takes_the_first,
                two_takers_get_different_members,
                a_set_and_a_value_of_one_name_are_two_things,
                a_batch_of_members_beyond_the_limit_is_refused_whole,
            }
            channels {
                a_published_value_is_heard_by_all_who_listen,
                another_handle_is_heard_too,
                the_values_of_one_publisher_are_heard_in_order,
                what_was_published_before_is_not_heard,
                other_channels_are_not_heard,
                a_wait_that_was_dropped_misses_nothing,
                a_wait_that_has_begun_is_ended_by_a_value,
                who_is_too_slow_is_told_how_much_he_missed,
                the_largest_value_is_published,
                who_listens_to_a_closed_store_is_told,
            }
            locks {
                a_lock_has_one_holder_at_a_time,
                an_unlocked_lock_is_free,
                each_holding_has_a_greater_fence,
                a_lock_whose_ttl_has_run_out_is_free,
                who_lost_a_lock_can_neither_renew_nor_unlock_it,
                a_renewed_lock_holds_longer,
                the_keeper_of_leases_renews_locks,
                a_lock_without_a_ttl_stays,
                a_lock_is_there_after_closing,
                a_seized_lock_is_free_whoever_held_it,
                an_unlock_wakes_those_who_wait_for_one,
                of_many_who_ask_one_gets_the_lock,
                the_locks_that_are_held_are_listed_by_name,
                a_batch_of_locks_beyond_the_limit_is_refused_whole,
                a_linked_lock_ends_with_its_attempt_whatever_the_verdict,
                a_refused_settle_leaves_its_linked_locks,
                a_linked_lock_that_was_lost_does_not_keep_the_settle_back,
                too_many_linked_locks_are_refused_and_change_nothing,
            }
            pause {
                a_paused_queue_hands_nothing_out,
                a_pause_says_whether_it_changed_anything,
                only_the_queue_of_that_name_is_paused,
                a_paused_queue_costs_the_next_one_nothing,
                what_runs_may_end_while_its_queue_is_paused,
                a_paused_queue_takes_messages_in,
                a_paused_queue_is_listed_although_it_is_empty,
                a_pause_lasts_beyond_closing,
            }
            races {
                each_message_is_handed_out_exactly_once,
                messages_that_come_and_go_are_each_run_once,
                of_many_takers_one_gets_the_result,
                of_many_submits_of_one_id_one_is_accepted,
                of_many_who_submit_at_once_each_learns_of_its_own,
                what_is_submitted_while_a_handle_is_closed_is_answered_truly,
                of_many_settles_of_one_token_one_is_accepted,
                either_the_revocation_wins_or_the_success,
                of_many_rescuers_each_message_is_returned_once,
                of_many_requeues_one_puts_the_message_back,
                of_many_removals_one_removes,
                of_many_joins_of_one_incarnation_one_is_accepted,
            }
            time {
                a_jump_of_the_wall_clock_ends_no_lease,
                a_jump_of_the_wall_clock_prolongs_no_lease,
                a_jump_of_the_wall_clock_holds_no_ready_message_back,
                a_clock_set_back_lets_nobody_in_front,
                a_clock_set_back_lets_no_returning_message_in_front,
                a_clock_set_back_promotes_nothing_early,
                a_delay_begins_after_the_jump,
                the_stores_clock_is_told,
            }
            limits {
                the_largest_batch_goes_through_a_whole_life,
                a_batch_beyond_the_limit_is_refused_whole,
                a_claim_hands_out_at_most_one_batch,
                the_longest_delay_is_kept,
                a_closed_store_says_that_it_is_stopped,
                closing_one_handle_leaves_the_others_open,
                a_repeated_call_that_was_answered_does_nothing_twice,
                a_dropped_future_leaves_the_store_whole,
            }
        }
    };
}

/// One test for each case that [`conformance_suite!`](crate::conformance_suite) lists.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($make:ident $($clause:ident { $($case:ident,)* })*) => {
        $(
            mod $clause {
                $(
                    // Two threads, so that what may race does.
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        let harness: Option<$crate::conformance::Harness> = super::$make().into();
                        if let Some(harness) = harness {
                            $crate::conformance::$clause::$case(&harness).await;
                        }
                    }
                )*
            }
        )*

        #[test]
        fn every_case_is_listed() {
            $crate::conformance::check_listed(&[
                $((stringify!($clause), &[$(stringify!($case)),*])),*
            ]);
        }
    };
}
