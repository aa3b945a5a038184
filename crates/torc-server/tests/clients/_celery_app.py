"""The tasks of `celery_tasks.py`, as worker and clients import them."""

import os

from celery import Celery

URL = f"redis://127.0.0.1:{os.environ.get('TORC_PORT', '6379')}/0"
app = Celery("_celery_app", broker=URL, backend=URL)
app.conf.update(
    worker_send_task_events=True,
    task_send_sent_event=True,
    broker_connection_retry_on_startup=True,
    # What puts tasks back whose worker is gone needs scripts, which Torc does not have yet.
    broker_transport_options={"ack_emulation": False},
)


@app.task
def add(one, other):
    return one + other


@app.task
def total(numbers):
    return sum(numbers)
