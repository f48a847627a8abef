"""The CAS REST dialect: sessions and actions as CAS clients call them."""

from fastapi import APIRouter

from server.routes.cas import actions, sessions

router = APIRouter()
router.include_router(sessions.router)
router.include_router(actions.router)
