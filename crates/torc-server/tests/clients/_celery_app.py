"""The tasks of `celery_tasks.py`, as worker and clients import them."""

import os
import time

from celery import Celery

URL = f"redis://127.0.0.1:{os.environ.get('TORC_PORT', '6379')}/0"
app = Celery("_celery_app", broker=URL, backend=URL)
app.conf.update(worker_send_task_events=True, task_send_sent_event=True)
if "TORC_VISIBILITY_S" in os.environ:
    # By default the tasks of a worker that is gone are given to another one after an hour, and it looks for them every hundred seconds.
    soon = {"unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    app.conf.broker_transport_options = {"visibility_timeout": int(os.environ["TORC_VISIBILITY_S"]), **soon}


@app.task
def add(one, other):
    return one + other


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def third_time(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task(acks_late=True)
def waits_for(path, number):
    while not os.path.exists(path):
        time.sleep(0.01)
    return number
