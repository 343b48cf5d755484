"""OpenAI's Agents API (beta): a session, one turn of its agent and one of a subagent."""

from __future__ import annotations

from typing import Any

from loopback.wire import Ask, Handler, Reply, events, json_reply

__all__ = ["ROUTES"]

CREATED = 1_780_000_000


def _session(name: str) -> dict[str, Any]:
    agent = {"id": "agent_1", "model": "gpt-5.1", "service_tier": "flex", "tools": []}
    return {
        "id": name,
        "object": "agent.session",
        "created_at": CREATED,
        "last_active_at": CREATED,
        "status": "idle",
        "agent": agent,
        "metadata": {},
        "required_actions": [],
        "vault_ids": [],
    }


def _turn(session: str, subagent: str | None = None) -> dict[str, Any]:
    return {
        "id": f"turn_{subagent or session}",
        "object": "agent.session.turn",
        "session_id": session,
        "agent_id": "agent_1",
        "subagent_id": subagent,
        "created_at": CREATED,
        "completed_at": CREATED + 5,
        "status": "completed",
        "usage": {
            "input_tokens": 1000,
            "input_tokens_details": {"cached_tokens": 600},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 1020,
        },
    }


def _stream(name: str) -> Reply:
    turn = _turn(name)
    started = turn | {"status": "in_progress", "usage": None}
    about = {"event_id": "event", "session_id": name, "turn_id": turn["id"]}
    happened = (
        {"type": "agent.session.created", "event_id": "event", "session": _session(name)},
        {"type": "agent.session.turn.created", **about, "turn": started},
        {"type": "agent.session.turn.completed", **about, "turn": turn, "usage": turn["usage"]},
    )
    return events(happened, named=True, done=False)


def create(ask: Ask) -> Reply:
    """POST /agents/sessions."""
    return _stream("ases_made") if ask.body.get("stream") else json_reply(_session("ases_made"))


def session(ask: Ask) -> Reply:
    """GET /agents/sessions/{id}."""
    return json_reply(_session(ask.groups[0]))


def session_events(ask: Ask) -> Reply:
    """GET /agents/sessions/{id}/events."""
    return _stream(ask.groups[0])


def turns(ask: Ask) -> Reply:
    """GET /agents/sessions/{id}/turns, of the agent or of a subagent."""
    name, _, subagent = ask.groups[0].partition("/subagents/")
    return json_reply({"data": [_turn(name, subagent or None)], "has_more": False})


def turn(ask: Ask) -> Reply:
    """GET /agents/sessions/{id}/turns/{id}."""
    return json_reply(_turn(ask.groups[0]))


def sessions(_: Ask) -> Reply:
    """GET /agents/sessions."""
    return json_reply({"data": [_session("ases_listed")], "has_more": False})


_BASE = r".*/agents/sessions"
ROUTES: dict[str, Handler] = {
    rf"POST {_BASE}": create,
    rf"GET {_BASE}": sessions,
    rf"GET {_BASE}/([\w-]+)": session,
    rf"GET {_BASE}/([\w-]+)/turns/[\w-]+": turn,
    rf"GET {_BASE}/([\w-]+)/events": session_events,
    rf"GET {_BASE}/([\w/-]+)/turns": turns,
}
