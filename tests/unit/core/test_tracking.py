from shadow.sources.tracking import Leases

TP = ("t", 0)


def leased(position=5):
    leases = Leases()
    leases.assign([TP])
    epoch = leases.to_restore()[TP]
    leases.restored(TP, epoch, position)
    return leases, epoch


def test_nothing_is_delivered_before_the_ledger_said_where_to_go_on():
    leases = Leases()
    leases.assign([TP])

    assert leases.deliver(TP, [(0, 10)]) is None


def test_sequences_count_deliveries_of_one_lease():
    leases, epoch = leased()

    assert leases.deliver(TP, [(5, 10), (9, 10)]) == (epoch, 0)
    assert leases.deliver(TP, [(10, 10)]) == (epoch, 2)


def test_the_window_shrinks_only_by_what_the_ledger_has():
    leases, epoch = leased()
    leases.deliver(TP, [(5, 100), (6, 50), (7, 1)])

    leases.done(TP, epoch, 7)

    assert (leases.records, leases.bytes) == (1, 1)


def test_a_revoked_lease_frees_the_window_and_is_not_current():
    leases, epoch = leased()
    leases.deliver(TP, [(5, 100)])

    leases.revoke([TP])

    assert (leases.records, leases.bytes) == (0, 0)
    assert not leases.current(TP, epoch)
    leases.done(TP, epoch, 6)
    assert leases.records == 0


def test_a_reload_makes_a_new_lease_that_has_to_be_restored():
    leases, epoch = leased()

    assert leases.reload(TP, epoch)
    assert leases.to_restore()[TP] > epoch
    assert not leases.reload(TP, epoch)


def test_a_position_is_handed_out_for_the_group_once_and_again_after_a_failure():
    leases, _ = leased()

    assert leases.to_commit() == {TP: 5}
    assert leases.to_commit() == {}
    leases.commit_failed([TP])
    assert leases.to_commit() == {TP: 5}
