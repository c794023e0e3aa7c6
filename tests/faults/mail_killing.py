"""Replicas are killed at random moments while people sign up and forget their passwords: every mail
that was promised comes."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import select

from gql_auth.features.mail.tables import MailRow
from gql_auth.kernel.settings import Settings
from tests.database import look
from tests.faults.nursery import Nursery
from tests.live import within
from tests.mailbox import FORGOT
from tests.mailing import MailServer, mail_server
from tests.replicas import DEFECT, NETWORK, PLENTY, Replica, Site, replicas, site
from tests.support import SECRET

PEOPLE = 4  # at a time
TIMEOUT = 1  # seconds for each answer of the mail server; a claim is three of them, and five more
ALL_GONE = 60.0  # seconds until the last mails are out
VERIFY, RESET = "Confirm your e-mail address", "Set a new password"


@dataclass(frozen=True)
class Outcome:
    """What happened; that no mail was lost has been seen to."""

    kills: int
    promised: int  # mails: one for each account, one for each time a password was forgotten
    sent: int  # mails, by Message-ID
    unasked: int  # of these, for requests whose answer was lost: they had been written
    doubled: int  # Message-IDs that came more than once
    most: int  # times that one came
    lost_answers: Counter[str]

    def __str__(self) -> str:
        lost = ", ".join(f"{number} of {asked}" for asked, number in self.lost_answers.items())
        return (
            f"{self.kills} kills; {self.promised} mails promised, {self.sent} sent, none lost, "
            f"{self.doubled} doubled (one Message-ID, at most {self.most} times), "
            f"{self.unasked} for requests whose answer was lost ({lost or 'none'} lost)"
        )


async def survive(kills: int, how: Nursery, url: str, data_dir: Path) -> Outcome:
    """Kill one of two replicas so many times, and see that every mail came."""
    async with mail_server() as server:
        chosen = {
            "mail_url": f"smtp://127.0.0.1:{server.port}?tls=none",
            "mail_timeout": TIMEOUT,
            "throttle_mail_account": PLENTY,
        }
        with replicas(2, url, data_dir, how=how.launch, **chosen) as running:
            async with site(running) as open_site:
                over = asyncio.Event()
                people: list[str] = []
                async with asyncio.TaskGroup() as lives:
                    for number in range(PEOPLE):
                        lives.create_task(_live(open_site, people, number, over))
                    await _kill(running, kills)
                    over.set()
                settings = Settings(data_dir=data_dir, database_url=url, secret=SECRET)
                await within(ALL_GONE, lambda: not look(settings, select(MailRow.kind)))
                assert DEFECT not in open_site.codes
                lost = Counter(each.asked for each in open_site.answers if each.code == NETWORK)
    return _counted(kills, server, people, lost)


async def _kill(running: Sequence[Replica], kills: int) -> None:
    for _ in range(kills):
        victim = random.choice(running)
        await asyncio.sleep(random.uniform(0.02, 0.3))
        victim.kill()
        await asyncio.to_thread(victim.start_again)


async def _live(open_site: Site, people: list[str], number: int, over: asyncio.Event) -> None:
    """One new account after another, each of which forgets its password."""
    while not over.is_set():
        browser = open_site.browser(f"{number}-{len(people)}@example.com")
        people.append(browser.email)
        await browser.sign_up()
        code, _ = await browser.insist("forgotPassword", FORGOT, {"email": browser.email})
        assert code == "MailRequested"


def _counted(
    kills: int, server: MailServer, people: Sequence[str], lost_answers: Counter[str]
) -> Outcome:
    came = Counter(each.id for each in server.taken)
    kinds: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for each in server.taken:
        kinds[each.recipient][str(each.message["Subject"])].add(each.id)
    for email in people:
        mails = kinds.pop(email)
        assert len(mails.pop(VERIFY)) == 1, f"{email}: one account, one mail"
        assert mails.pop(RESET), email
        assert not mails, f"unexpected: {mails}"
    assert not kinds, f"nobody's: {kinds}"
    promised = 2 * len(people)
    unasked = len(came) - promised
    assert 0 <= unasked <= lost_answers["forgotPassword"]
    doubled = [number for number in came.values() if number > 1]
    return Outcome(
        kills=kills,
        promised=promised,
        sent=len(came),
        unasked=unasked,
        doubled=len(doubled),
        most=max(came.values()),
        lost_answers=lost_answers,
    )
