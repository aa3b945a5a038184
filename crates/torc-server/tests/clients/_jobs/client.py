"""Calls a function of a module of jobs: `client.py MODULE FUNCTION ARGUMENT ...`. Jobs belong to modules that workers can import."""

import asyncio
import importlib
import inspect
import sys

module, function, *words = sys.argv[1:]
done = getattr(importlib.import_module(module), function)(*(int(word) if word.isdigit() else word for word in words))
if inspect.iscoroutine(done):
    asyncio.run(done)
