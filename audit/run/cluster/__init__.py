"""Organizations as tasks of a Dask cluster: `driver` hands them out, `worker` audits one. Needs the extra `dask`.

Dask reschedules a task when its worker dies, but a worker that Dask believes dead may still be at work. So nothing
here relies on a task running only once: a draft (`audit.output.draft`) accepts several writers, counts are taken from
the parts, and a task that nobody waits for ends itself.
"""
