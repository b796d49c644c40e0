"""Organizations as tasks of a Dask cluster: `driver` hands them out, `worker` audits one. Needs the extra `dask`.

A task is rescheduled by Dask when its worker dies, and a worker that is believed dead may still be at work. So
nothing here relies on a task running once: a draft (`audit.output.draft`) takes several writers, what is
counted is counted by parts, and a task that nobody waits for ends itself.
"""
