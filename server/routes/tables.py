"""Tables in and out: uploads to disk in constant memory, downloads as streams."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1/tables", tags=["tables"])
