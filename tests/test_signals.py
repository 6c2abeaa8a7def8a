import signal
import threading

import pytest

from restore.signals import ENDINGS, ended_by_signals


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_first_signal_interrupts_and_the_next_do_not(ending):
    before = [signal.getsignal(each) for each in ENDINGS]
    with ended_by_signals() as received:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(ending)
        for each in ENDINGS:
            signal.raise_signal(each)
    assert received == [ending]
    assert [signal.getsignal(each) for each in ENDINGS] == before


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(ENDINGS[-1], signal.SIG_IGN)
    try:
        with ended_by_signals() as received:
            signal.raise_signal(ENDINGS[-1])
        assert received == []
        assert signal.getsignal(ENDINGS[-1]) is signal.SIG_IGN
    finally:
        signal.signal(ENDINGS[-1], before)


def test_another_thread_changes_nothing():
    before, seen = [signal.getsignal(each) for each in ENDINGS], []

    def work():
        with ended_by_signals():
            seen.extend(signal.getsignal(each) for each in ENDINGS)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before


def test_within_itself_it_is_the_same():
    before = [signal.getsignal(each) for each in ENDINGS]
    with ended_by_signals() as received:
        with pytest.raises(KeyboardInterrupt), ended_by_signals():
            signal.raise_signal(ENDINGS[0])
        assert received == [ENDINGS[0]]
        signal.raise_signal(ENDINGS[0])  # the tidying up goes on
    assert [signal.getsignal(each) for each in ENDINGS] == before
