"""Tidewatch: a tide-gauge network, from raw telegrams to surge warnings.

Gauges send one line of text every few minutes. The service checks each reading,
archives it, compares it with the astronomical prediction and warns harbours when
the difference, the surge, grows.

The modules build on one another in this order:

``errors``, ``datum``, ``clock``
    What everything else speaks in: failures, heights with a reference level, time.
``stations``, ``readings``, ``constituents``
    The records: where a gauge stands, what it measured, how the tide moves there.
``prediction``, ``surge``, ``quality``
    The computations on them.
``events``, ``alerts``, ``watchdog``
    What happens when something changes, or when nothing does.
``telegram``, ``ingest``, ``archive``
    The way in, and the place where readings are kept.
``settings``, ``service``, ``reports``, ``bulletin``, ``cli``
    Configuration, assembly and what people see.
"""

__version__ = "1.4.0"
