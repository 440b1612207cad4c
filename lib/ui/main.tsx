/** Entry of the page: lets the browser in, then shows the view that the address names. */
import { render } from 'preact';
import { App } from './app.js';
import { ApiError, follow, openSession } from './state/api.js';

const theme = localStorage.getItem('dlv-theme');
if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;

async function start(): Promise<void> {
  let error: ApiError | null = null;
  const [, token] = /^#token=([\w-]+)$/.exec(location.hash) ?? [];
  if (token !== undefined) {
    // The token leaves the address before anything is shown, and is in no history.
    history.replaceState(null, '', location.pathname + location.search);
    error = await openSession(token).then(
      () => null,
      (thrown: unknown) =>
        thrown instanceof ApiError ? thrown : new ApiError('OFFLINE', String(thrown), null),
    );
  } else if (localStorage.getItem('dlv-key') === null) {
    error = new ApiError('TOKEN', 'this browser is not known here', null);
  }
  const root = document.getElementById('app');
  if (root === null) return;
  root.replaceChildren();
  render(<App error={error} />, root);
  if (error === null) void follow();
}

void start();
