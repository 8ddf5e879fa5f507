"""What types are manufactured from: zKillboard prices titans, and types without an average, by materials."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "blueprint_materials",
        sa.Column("product_type_id", sa.BigInteger(), nullable=False, comment="what is manufactured"),
        sa.Column("material_type_id", sa.BigInteger(), nullable=False, comment="what it is made of"),
        sa.Column(
            "quantity", sa.BigInteger(), nullable=False, comment="units of the material for one run of the blueprint"
        ),
        sa.Column("product_quantity", sa.BigInteger(), nullable=False, comment="units of the product of one run"),
        sa.PrimaryKeyConstraint("product_type_id", "material_type_id"),
        schema="raw",
        comment="What types are manufactured from, by their blueprints without any research",
    )
    # The export that was read last had them too: it is read again.
    op.execute("delete from ops.source_versions where source = 'sde'")
