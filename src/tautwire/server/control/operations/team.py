"""Operations on the workspace itself."""

from tautwire.server.control.operation import Nothing, Result, operation
from tautwire.server.services.administration import team
from tautwire.server.services.administration.team import TeamChange
from tautwire.server.services.workspace import Workspace


@operation("team.show", Nothing, reads=True)
async def show(workspace: Workspace, args: Nothing) -> Result:
    """Return the name, domain and picture of the workspace."""
    return {"team": await workspace.reader.read(team.read_team)}


@operation("team.change", TeamChange)
async def change(workspace: Workspace, args: TeamChange) -> Result:
    """Change name, domain or picture of the workspace."""
    url = workspace.settings.public_url or ""
    return {"team": await workspace.writer.write(lambda tx: team.change(tx, args, url))}
