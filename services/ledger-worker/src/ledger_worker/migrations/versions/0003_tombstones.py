"""An index of the tombstones: the reconciler goes through them, looking for one that has nothing else."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("CREATE INDEX tombstones ON decisions (transfer_id) WHERE decision = 'cancelled'")
