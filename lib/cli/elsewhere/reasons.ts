/** Why dlv lacks what git has, for several of the tables. */
export const IMMUTABLE = 'versions do not change';
export const NO_EDITOR = 'this command opens no editor: leave the flag out';
/** How the message of a commit comes. */
export const WRITTEN =
  'in a terminal, an editor opens where neither -m nor -F gives the message: leave the flag out';
export const NO_HOOKS = 'dlv runs no hooks';
export const NO_SUBMODULES = 'a work tree holds several models: there are no submodules';
