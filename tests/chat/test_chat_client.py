"""The chat client against a real server on loopback that misbehaves."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from endpoint_server import KEY, Answer, error, serve

from ecomgpt.chat.client import Chat
from ecomgpt.chat.endpoint import retry_after
from ecomgpt.chat.ledger import OverBudget
from ecomgpt.chat.messages import ChatReply, Request
from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import ChatConfig

pytest.importorskip("openai")

SETTINGS = ChatConfig(
    name="test",
    model="m",
    timeout=5,
    backoff=0.001,
    backoff_most=0.01,
    retries=3,
    give_up=3,
    concurrency=4,
    price_input=1.0,
    price_output=2.0,
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def asked(*texts: str) -> list[Request]:
    return [Request((("user", text),)) for text in texts]


def answers(tmp_path: Path, url: str, requests: list[Request], **settings: Any) -> tuple[list[ChatReply], Chat]:
    with Chat(replace(SETTINGS, base_url=url, **settings), tmp_path) as chat:
        found = dict(chat.ask(requests))
    return [found[index] for index in range(len(requests))], chat


def no_key_in(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_answers_arrive_at_their_questions_and_the_key_at_the_server_alone(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer(body["messages"][-1]["content"].upper() + "：好\u2028")) as served:
        replies, chat = answers(tmp_path, served.url, asked(*(f"question {number}" for number in range(20))))
        assert [reply.text for reply in replies] == [f"QUESTION {number}：好\u2028" for number in range(20)]
        assert served.keys == {f"Bearer {KEY}"}
        body = served.requests[0]
        assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("m", 0.0, 1, 1024)
        assert KEY not in repr(chat.endpoint) + repr(vars(chat)) + chat.ledger.line()
        assert (chat.ledger.asked, chat.ledger.prompt_tokens, chat.ledger.answer_tokens) == (20, 200, 100)
        assert chat.ledger.cost == pytest.approx((200 * 1 + 100 * 2) / 1e6)
        again, chat = answers(tmp_path, served.url, asked(*(f"question {number}" for number in range(20))))
        assert again == replies and (chat.ledger.asked, chat.ledger.cached, len(served.requests)) == (0, 20, 20)
    no_key_in(tmp_path)


def test_what_decides_the_answer_is_in_the_key(tmp_path: Path) -> None:
    base = replace(SETTINGS, base_url="http://a/v1")
    request = Request((("user", "x"),))
    others = [
        request.key(replace(base, base_url="http://b/v1")),
        request.key(replace(base, model="n")),
        request.key(replace(base, temperature=0.5)),
        request.key(replace(base, seed=2)),
        request.key(replace(base, extra={"top_p": 0.5})),
        replace(request, max_tokens=3).key(base),
        replace(request, schema={"type": "object"}).key(base),
        Request((("system", "x"),)).key(base),
        Request((("user", "y"),)).key(base),
    ]
    assert len({request.key(base), *others}) == len(others) + 1
    speed = replace(
        base,
        timeout=1,
        concurrency=2,
        retries=0,
        budget=1.0,
        price_input=9.0,
        key_variable=None,
        base_url="http://a/v1/",
    )
    assert request.key(speed) == request.key(base)


def test_equal_questions_are_paid_for_once(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer(delay=0.05)) as served:
        replies, _ = answers(tmp_path, served.url, asked("same", "same", "other", "same"))
        assert len(replies) == 4 and sorted(served.prompts()) == ["other", "same"]


@pytest.mark.parametrize(
    "trouble",
    [
        error(429, "slow down"),
        error(429, "slow down", retry_after="0.01"),
        error(429, "slow down", retry_after_ms="10"),
        error(500, "oops"),
        error(503, "overloaded"),
        error(408, "too slow"),
        Answer(body='{"choices": [{"message": {"cont'),
        Answer(body='{"choices": []}'),
        Answer(body='{"choices": null}'),
        Answer(body='{"choices": [{}]}'),
        Answer(body="[]"),
        Answer(body=""),
        Answer(body="<html>Gateway</html>", content_type="text/html"),
        Answer(body='{"choices": [{"mess', length=900),
        Answer(body='{"choices": [{"message": {"content": ["parts"]}}]}'),
        Answer(status=502, body="<html>Bad gateway</html>", content_type="text/html"),
    ],
    ids=lambda answer: f"{answer.status} {answer.body} {answer.headers}"[:60],
)
def test_passing_troubles_are_asked_again(tmp_path: Path, trouble: Answer) -> None:
    with serve(lambda body, number: trouble if number in (1, 2) else Answer("fine")) as served:
        with Chat(replace(SETTINGS, base_url=served.url, concurrency=1), tmp_path) as chat:
            assert [reply.text for _, reply in chat.ask(asked("first", "second"))] == ["fine", "fine"]
        assert len(served.requests) == 4 and sum(chat.ledger.retries.values()) == 2
        # A status other than 200 is not charged; whether a broken answer was, nobody knows.
        assert bool(chat.ledger.uncertain) == (trouble.status == 200)


def test_what_does_not_pass_is_a_failure_of_that_question_alone_and_asked_anew_next_time(tmp_path: Path) -> None:
    with serve(lambda body, number: error(500, "no") if "bad" in str(body) else Answer()) as served:
        replies, _ = answers(tmp_path, served.url, asked("good", "bad", "fine"), retries=2)
        assert [reply.failure for reply in replies] == ["", "HTTP 500, 3 times", ""]
        served.behave = lambda body, number: Answer("at last")
        replies, chat = answers(tmp_path, served.url, asked("good", "bad", "fine"))
        assert [reply.text for reply in replies] == ["fine", "at last", "fine"] and chat.ledger.asked == 1


def test_timeouts_are_asked_again_and_count_as_perhaps_paid(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer(delay=0.6 if number == 0 else 0)) as served:
        replies, chat = answers(tmp_path, served.url, asked("x"), timeout=0.2)
        assert replies[0].text == "fine" and chat.ledger.retries == {"timeout": 1} and chat.ledger.uncertain > 0
        assert "perhaps" in chat.ledger.line()


def test_retry_after_holds_back_everybody(tmp_path: Path) -> None:
    with serve(lambda body, number: error(429, "wait", retry_after="0.3") if number == 0 else Answer()) as served:
        answers(tmp_path, served.url, asked("a", "b", "c", "d", "e", "f"), concurrency=1)
        assert served.times[1] - served.times[0] >= 0.29


def test_retry_after_is_read_in_all_its_forms() -> None:
    assert retry_after({"retry-after": "3"}) == 3 and retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    assert 90 < (retry_after({"retry-after": soon}) or 0) <= 100
    assert retry_after({}) is None and retry_after({"retry-after": "soon"}) is None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), r"refuses \$OPENAI_API_KEY \(401: .*\*\*\*"),
        (error(403, "not your country"), "refuses.*not your country"),
        (error(404, "The model `m` does not exist", "model_not_found"), "knows no model 'm'"),
        (error(429, "You exceeded your current quota", "insufficient_quota"), "no credit left"),
        (error(402, "pay first"), "no credit left"),
        (error(429, "come back tomorrow", retry_after="86400"), "no request for 86400 s"),
    ],
    ids=["401", "403", "404", "quota", "402", "tomorrow"],
)
def test_what_no_retry_can_mend_stops_at_once(tmp_path: Path, answer: Answer, says: str) -> None:
    with serve(lambda body, number: answer) as served:
        with pytest.raises(UserError, match=says) as caught:
            answers(tmp_path, served.url, asked(*map(str, range(50))), concurrency=2)
        assert len(served.requests) <= 2 and KEY not in str(caught.value) and len(caught.value.problems) == 1


def test_messages_of_the_other_side_do_a_terminal_no_harm(tmp_path: Path) -> None:
    with (
        serve(lambda body, number: error(403, "\x1b[2Jgone\r\nnext\x07 line" + "!" * 900)) as served,
        pytest.raises(UserError) as caught,
    ):
        answers(tmp_path, served.url, asked("x"))
    message = str(caught.value)
    assert "[2Jgone next line!" in message and message.isprintable() and len(message) < 500


def test_an_endpoint_that_is_not_there(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer()) as served:
        url = served.url
    with pytest.raises(UserError, match=r"chat.base_url: http://127.0.0.1:\d+/v1 cannot be reached"):
        answers(tmp_path, url, asked("x"))


def test_requests_that_fail_in_a_row_stop_everything(tmp_path: Path) -> None:
    with serve(lambda body, number: error(400, f"unknown parameter, says {KEY}")) as served:
        with pytest.raises(
            UserError, match=r"3 requests .* failed in a row, .*HTTP 400: .*unknown parameter, says \*\*\*"
        ):
            answers(tmp_path, served.url, asked(*map(str, range(50))), concurrency=1)
        assert len(served.requests) == 3
    no_key_in(tmp_path)


@pytest.mark.parametrize(
    ("answer", "finish"),
    [
        (Answer("cut o", finish="length"), "length"),
        (Answer("", refusal="I can't help with that."), "refusal"),
        (Answer("", finish="content_filter"), "content_filter"),
        (error(400, "filtered", "content_filter"), "content_filter"),
    ],
    ids=["length", "refusal", "filter", "filter as an error"],
)
def test_unwelcome_answers_are_answers_and_kept(tmp_path: Path, answer: Answer, finish: str) -> None:
    with serve(lambda body, number: answer) as served:
        for _ in range(2):
            replies, _ = answers(tmp_path, served.url, asked("x"))
            assert (replies[0].finish, replies[0].failure) == (finish, "")
        assert len(served.requests) == 1


def test_a_right_answer_under_a_wrong_content_type_is_taken(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer("fine", content_type="text/plain")) as served:
        assert answers(tmp_path, served.url, asked("x"))[0][0].text == "fine"


def test_tokens_are_estimated_where_the_endpoint_does_not_count_them(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer("eight chars x 4 = thirty-two chr", usage=None)) as served:
        reply = answers(tmp_path, served.url, asked("手机壳 red case"))[0][0]
        assert (reply.prompt_tokens, reply.answer_tokens) == (3 + 9 // 4 + 12, 32 // 4 + 12)


def test_an_echoed_key_is_not_kept(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer(f"your key is {KEY}")) as served:
        assert answers(tmp_path, served.url, asked("x"))[0][0].text == "your key is ***"
    no_key_in(tmp_path)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_at_once_than_allowed(tmp_path: Path, concurrency: int) -> None:
    with serve(lambda body, number: Answer(delay=0.02)) as served:
        answers(tmp_path, served.url, asked(*map(str, range(15))), concurrency=concurrency)
        assert served.most_at_once == concurrency


@pytest.mark.parametrize(
    "limit", [{"requests_per_minute": 1200.0}, {"tokens_per_minute": 1200.0 * (12 + 8), "max_tokens": 8}], ids=str
)
def test_no_more_requests_a_minute_than_allowed(tmp_path: Path, limit: dict[str, Any]) -> None:
    with serve(lambda body, number: error(500, "again") if number == 3 else Answer()) as served:
        answers(tmp_path, served.url, asked(*"abcdefgh"), **limit)
        # Nine requests, one of them a retry, at 20 a second; what arrives is jittered by the scheduler, the whole is
        # not.
        assert len(served.requests) == 9 and served.times[-1] - served.times[0] >= 8 / 20 - 0.03


def test_the_budget_stops_before_it_is_exceeded(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 100}
    requests = [Request((("user", f"number {number:02}"),), max_tokens=100) for number in range(40)]
    budget = 0.0021
    with serve(lambda body, number: Answer(usage=usage)) as served:
        given: list[int] = []
        with (
            pytest.raises(OverBudget, match=r"chat.budget: 0.0020 of 0.0021 USD"),
            Chat(replace(SETTINGS, base_url=served.url, budget=budget), tmp_path) as chat,
        ):
            given.extend(index for index, _ in chat.ask(requests))
        # 220 micro-dollars each: the tenth would end above the budget. All nine that were paid for were handed out.
        assert len(served.requests) == len(given) == 9 and chat.ledger.cost <= budget
        with pytest.raises(OverBudget), Chat(replace(SETTINGS, base_url=served.url, budget=budget), tmp_path) as chat:
            list(chat.ask(requests))
        assert (chat.ledger.cached, chat.ledger.asked) == (9, 9) and len(set(served.prompts())) == 18


def test_a_budget_of_nothing_asks_nothing(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer()) as served:
        with pytest.raises(OverBudget):
            answers(tmp_path, served.url, asked("x"), budget=0.0)
        assert not served.requests
        assert (
            answers(tmp_path, served.url, asked("x"), budget=0.0, price_input=0.0, price_output=0.0)[0][0].text
            == "fine"
        )


def test_an_interruption_keeps_what_is_on_its_way(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer(delay=0.0 if number == 0 else 0.3)) as served:
        with pytest.raises(KeyboardInterrupt), Chat(replace(SETTINGS, base_url=served.url), tmp_path) as chat:
            for _ in chat.ask(asked(*map(str, range(100)))):
                while len(served.requests) < 4:
                    time.sleep(0.01)
                raise KeyboardInterrupt
        sent = len(served.requests)
        assert sent < 10
        replies, chat = answers(tmp_path, served.url, [Request((("user", text),)) for text in served.prompts()])
        assert len(replies) == chat.ledger.cached == sent


def test_a_torn_line_costs_one_answer_and_no_other(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer(str(number))) as served:
        _, chat = answers(tmp_path, served.url, asked("a", "b"), concurrency=1)
        file = chat.cache.path
        file.write_bytes(file.read_bytes()[:-20])
        replies, _ = answers(tmp_path, served.url, asked("a", "b", "c"), concurrency=1)
        assert [reply.text for reply in replies] == ["0", "2", "3"]
        assert answers(tmp_path, served.url, asked("a", "b", "c"))[1].ledger.cached == 3
        assert (
            sum(
                bool(json.loads(line))
                for line in file.read_bytes().split(b"\n")
                if line and b'"key"' in line and line.endswith(b"}")
            )
            == 3
        )


def test_two_jobs_share_a_cache_without_mixing_lines(tmp_path: Path) -> None:
    with serve(lambda body, number: Answer("long " * 500)) as served:

        def work(name: str) -> None:
            answers(tmp_path, served.url, asked(*(f"{name}{number}" for number in range(30))))

        threads = [threading.Thread(target=work, args=(name,)) for name in "xy"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        both = [f"{name}{number}" for name in "xy" for number in range(30)]
        replies, chat = answers(tmp_path, served.url, asked(*both))
        assert chat.ledger.cached == 60 and all(reply.text == "long " * 500 for reply in replies)


@pytest.mark.parametrize("value", [None, "", "sk-schlüssel-ä"])
def test_a_missing_or_broken_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("OPENAI_API_KEY") if value is None else monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(UserError, match=r"chat.key_variable: \$OPENAI_API_KEY") as caught:
        Chat(SETTINGS, tmp_path)
    assert not value or value not in str(caught.value)


def test_an_endpoint_without_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with serve(lambda body, number: Answer()) as served:
        assert answers(tmp_path, served.url, asked("x"), key_variable=None)[0][0].text == "fine"
