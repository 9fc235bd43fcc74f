"""What the parts of the service tell each other, without knowing each other."""

from __future__ import annotations

import enum
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

logger = logging.getLogger(__name__)


class Topic(enum.StrEnum):
    """Names of events; the details each one carries are given beside it."""

    READING_ACCEPTED = "reading.accepted"  # reading: GaugeReading
    READING_REFUSED = "reading.refused"  # reason: RejectionReason
    TELEGRAM_DROPPED = "telegram.dropped"  # line: str, problem: str
    ALERT_RAISED = "alert.raised"  # alert: SurgeAlert
    ALERT_CLEARED = "alert.cleared"  # alert: SurgeAlert
    GAUGE_SILENT = "gauge.silent"  # silent_since: datetime
    GAUGE_RECOVERED = "gauge.recovered"  # silent_since: datetime


@dataclass(frozen=True, slots=True)
class NetworkEvent:
    """Something that happened at a station."""

    topic: Topic
    station_code: str
    occurred_at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)


EventHandler = Callable[[NetworkEvent], None]


class EventBus:
    """Passes each event to the handlers of its topic, in order of subscription."""

    def __init__(self) -> None:
        self._handlers: defaultdict[Topic, list[EventHandler]] = defaultdict(list)

    def subscribe(self, topic: Topic, handler: EventHandler) -> Callable[[], None]:
        """Call ``handler`` for every event of ``topic`` from now on.

        Returns:
            A function that ends the subscription; calling it twice is harmless.
        """
        self._handlers[topic].append(handler)

        def unsubscribe() -> None:
            if handler in self._handlers[topic]:
                self._handlers[topic].remove(handler)

        return unsubscribe

    def emit(
        self, topic: Topic, station_code: str, occurred_at: datetime, **details: Any
    ) -> NetworkEvent:
        """Build an event, pass it on and return it.

        A handler that fails is logged and does not keep the others from running.
        """
        event = NetworkEvent(topic, station_code, occurred_at, details)
        for handler in tuple(self._handlers[topic]):
            try:
                handler(event)
            except Exception:
                logger.exception("a handler of %s failed", topic.value)
        return event


class EventLog:
    """Keeps the newest events of chosen topics, for status pages and tests."""

    def __init__(self, bus: EventBus, *topics: Topic, capacity: int = 200) -> None:
        self._events: list[NetworkEvent] = []
        self._capacity = capacity
        for topic in topics or tuple(Topic):
            bus.subscribe(topic, self._keep)

    def of_topic(self, topic: Topic) -> list[NetworkEvent]:
        """The kept events of one topic, oldest first."""
        return [event for event in self._events if event.topic is topic]

    def _keep(self, event: NetworkEvent) -> None:
        self._events.append(event)
        del self._events[: -self._capacity]
