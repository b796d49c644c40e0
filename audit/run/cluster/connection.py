"""Connects to a Dask cluster: the cluster at an address, or a temporary cluster on this machine."""

import logging
import math
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from typing import Any

from audit.errors import EngineError, UsageError, shortage, words_of
from audit.extras import how_to_add
from audit.files import scratch_folder

log = logging.getLogger(__name__)

#: An asynchronous `distributed.Client`; its types describe the blocking client.
DaskClient = Any

#: Organizations at once in a worker process of this machine: while one waits for the API, the next is processed.
THREADS = 4
#: Seconds to reach a scheduler, and to wait for its first worker.
_CONNECT_S = 10.0
_FIRST_WORKER_S = 60.0
#: Schemes of schedulers that ask for a certificate; an address without a scheme is tcp.
_ENCRYPTED = ("tls://", "wss://")
#: Dask's HTTP servers of a cluster on this machine serve nothing, because other users could read it.
_SERVE_NOTHING: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
#: Loggers of Dask, hidden from users; `DASK_LOGGING__DISTRIBUTED=info` shows them.
_LOGGERS = ("distributed", "distributed.client", "distributed.gc")


@lru_cache
def import_dask() -> Any:
    """The module `distributed`, with its log hidden.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        import cryptography  # noqa: F401, PLC0415 - for the TLS of a cluster on this machine
        import dask.config  # noqa: PLC0415

        dask.config.update_defaults({"logging": dict.fromkeys(_LOGGERS, "critical")})
        import distributed  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed: {how_to_add('dask')}") from None
    for name, level in dask.config.get("logging").items():
        logging.getLogger(name).setLevel(level.upper())
    return distributed


@asynccontextmanager
async def connect(scheduler: str | None, organizations: int) -> AsyncIterator[DaskClient]:
    """Connect to a cluster that has workers, all with this version of webex-audit.

    Args:
        scheduler: the address of the scheduler; None for a cluster on this machine, which ends with the block.
        organizations: the number of organizations to audit.

    Raises:
        UsageError: the address is invalid, or a worker has another version.
        EngineError: the scheduler does not answer or has no workers.
    """
    if scheduler and not scheduler.startswith(_ENCRYPTED):
        log.warning(
            "the scheduler %s is not protected by TLS: whoever reaches it can run code on the workers "
            "and read the token there; use tls:// (docs/cluster.md, Security)",
            scheduler,
        )
    async with AsyncExitStack() as stack:
        cluster = None if scheduler else await _started(stack, organizations)
        try:
            client = await stack.enter_async_context(_client(scheduler or cluster))
        except (ValueError, TypeError):
            raise UsageError(f"--scheduler {scheduler}: expected an address such as tls://host:8786") from None
        except (MemoryError, OverflowError):
            # Dask reads the first bytes of another protocol as a length.
            raise UsageError(
                f"--scheduler {scheduler}: the server there is not a Dask scheduler, perhaps its dashboard: "
                "expected an address such as tls://host:8786"
            ) from None
        except OSError as error:
            raise EngineError(
                f"the Dask scheduler {scheduler} has not answered for {_CONNECT_S:.0f} s: {words_of(error)}"
            ) from None
        await _wait_for_workers(client, scheduler or "of this machine")
        await _check_versions(client)
        yield client


async def _started(stack: AsyncExitStack, organizations: int) -> Any:
    try:
        return await stack.enter_async_context(_local_cluster(organizations))
    except (RuntimeError, OSError) as error:
        if lacking := shortage(error):
            raise lacking from error
        reason = words_of(error.__cause__ or error)
        raise EngineError(f"no Dask cluster can be started on this machine: {reason}: try --engine local") from error


@asynccontextmanager
async def _local_cluster(organizations: int) -> AsyncIterator[Any]:
    """A cluster that listens on loopback only; TLS admits only this process and its workers."""
    distributed = import_dask()
    import dask.config  # noqa: PLC0415
    from dask.system import CPU_COUNT  # noqa: PLC0415

    processes = min(CPU_COUNT, organizations)
    with (
        scratch_folder() as folder,
        # The scheduler leaves files in its working folder, too.
        dask.config.set(_SERVE_NOTHING | {"temporary-directory": str(folder)}),
    ):
        async with distributed.LocalCluster(
            n_workers=processes,
            threads_per_worker=min(THREADS, math.ceil(organizations / processes)),
            host="127.0.0.1",
            security=True,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
            # The memory of an organization is bounded already.
            memory_limit=0,
            preload=["audit.run.cluster.preload"],
            asynchronous=True,
        ) as cluster:
            yield cluster


@asynccontextmanager
async def _client(target: Any) -> AsyncIterator[DaskClient]:
    distributed = import_dask()
    client = distributed.Client(target, timeout=_CONNECT_S, asynchronous=True, set_as_default=False)
    try:
        with warnings.catch_warnings():
            # Workers with other versions of libraries: the version of webex-audit is compared, and it pins them.
            warnings.simplefilter("ignore")
            await client
        yield client
    finally:
        await client.close()


async def _wait_for_workers(client: DaskClient, place: str) -> None:
    try:
        await client.wait_for_workers(1, timeout=_FIRST_WORKER_S)
    except TimeoutError:
        raise EngineError(f"the Dask scheduler {place} has no workers after {_FIRST_WORKER_S:.0f} s") from None


async def _check_versions(client: DaskClient) -> None:
    versions = await client.get_versions(packages=["webex-audit"])
    ours = versions["client"]["packages"]["webex-audit"]
    for address, worker in sorted(versions["workers"].items()):
        theirs = worker["packages"]["webex-audit"]
        if theirs != ours:
            raise UsageError(
                f"worker {address} has {f'webex-audit {theirs}' if theirs else 'no webex-audit'}, this machine has "
                f"{ours}: install the same version there"
            )


async def threads_of(client: DaskClient) -> int:
    """The number of tasks that a cluster can run at once.

    Raises:
        EngineError: the scheduler is gone.
    """
    try:
        return sum((await client.nthreads()).values())
    except OSError:
        raise EngineError("the Dask scheduler is gone") from None
