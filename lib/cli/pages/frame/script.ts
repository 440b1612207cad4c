/**
 * The script of pages. Pages say everything without it; it sorts and filters tables, finds layers in networks,
 * and switches between dark and light. It makes elements and sets text, never markup.
 */

/** A function `enhance(root)`: tables that sort and filter, networks that are searched and sized. */
export const ENHANCE = `
function enhance(root) {
  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return null;
    const value = cell.dataset.v;
    if (value === undefined) return cell.textContent.trim();
    return value === '' ? null : Number(value);
  };
  const compare = (a, b, sign) => {
    // What has no value comes last, whichever way.
    if (a === null || b === null || a === '' || b === '') {
      return (a === null || a === '') - (b === null || b === '');
    }
    if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
    return sign * String(a).localeCompare(String(b), 'en', { numeric: true });
  };
  for (const table of root.querySelectorAll('table[data-sorts]')) {
    if (table.tBodies[0].rows.length < 4) continue;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (!head.textContent.trim() || head.querySelector('.spoken')) return;
      const button = make('button', head.textContent.trim());
      button.type = 'button';
      head.replaceChildren(button);
      button.addEventListener('click', () => {
        const isNumeric = head.classList.contains('n');
        const was = head.getAttribute('aria-sort');
        const isUp = was ? was === 'descending' : !isNumeric;
        for (const other of heads) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', isUp ? 'ascending' : 'descending');
        const body = table.tBodies[0];
        const rows = [...body.rows];
        rows.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), isUp ? 1 : -1));
        body.append(...rows);
      });
    });
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 12) continue;
    const tools = make('div', '', 'tools');
    const input = make('input');
    input.type = 'search';
    input.placeholder = 'filter rows';
    input.setAttribute('aria-label', 'filter rows');
    const said = make('span', '', 'dim');
    said.setAttribute('aria-live', 'polite');
    input.addEventListener('input', () => {
      const wanted = input.value.toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        if (!row.hidden) shown += 1;
      }
      said.textContent = wanted ? shown + ' of ' + rows.length : '';
    });
    tools.append(input, said);
    (table.closest('.wide') || table).before(tools);
  }

  for (const net of root.querySelectorAll('.net')) {
    const svg = net.querySelector('svg');
    const boxes = [...svg.querySelectorAll('g[data-n]')];
    const edges = [...svg.querySelectorAll('.edge')];
    const mark = (box) => {
      const own = box && box.dataset.n;
      for (const edge of edges) {
        edge.classList.toggle('on', Boolean(own) && (edge.dataset.a === own || edge.dataset.b === own));
      }
    };
    for (const box of boxes) {
      box.addEventListener('mouseenter', () => mark(box));
      box.addEventListener('mouseleave', () => mark(null));
      box.addEventListener('focus', () => mark(box));
      box.addEventListener('blur', () => mark(null));
      box.setAttribute('role', 'img');
      const title = box.querySelector(':scope > title');
      box.setAttribute('aria-label', title ? title.textContent : box.querySelector('text').textContent);
      box.tabIndex = -1;
    }
    // The picture is walked along its edges: one box at a time can be reached with Tab.
    svg.setAttribute('role', 'group');
    const byNumber = new Map(boxes.map((box) => [box.dataset.n, box]));
    const beside = (box, from, to) => {
      const edge = edges.find((one) => one.dataset[from] === box.dataset.n);
      return edge && byNumber.get(edge.dataset[to]);
    };
    const middle = (box) => {
      const { left, top, width, height } = box.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    };
    let current = boxes[0];
    if (current) current.tabIndex = 0;
    const visit = (box) => {
      current.tabIndex = -1;
      current = box;
      current.tabIndex = 0;
      current.focus({ preventScroll: true });
      current.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    };
    const sideways = (sign) => {
      const [x, y] = middle(current);
      let found = null;
      let least = Infinity;
      for (const box of boxes) {
        const [bx, by] = middle(box);
        const away = sign * (bx - x);
        const far = away + Math.abs(by - y);
        if (box === current || away <= 1 || Math.abs(by - y) > 60 || far >= least) continue;
        found = box;
        least = far;
      }
      return found;
    };
    const steps = {
      ArrowDown: () => beside(current, 'a', 'b') || boxes[boxes.indexOf(current) + 1],
      ArrowUp: () => beside(current, 'b', 'a') || boxes[boxes.indexOf(current) - 1],
      ArrowLeft: () => sideways(-1),
      ArrowRight: () => sideways(1),
      Home: () => boxes[0],
      End: () => boxes[boxes.length - 1],
    };
    svg.addEventListener('focusin', (event) => {
      const box = event.target.closest('g[data-n]');
      if (!box || box === current) return;
      current.tabIndex = -1;
      current = box;
      current.tabIndex = 0;
    });
    svg.addEventListener('keydown', (event) => {
      const step = steps[event.key];
      if (!step || event.target !== current || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      const next = step();
      if (next) visit(next);
    });
    const tools = make('div', '', 'tools');
    const input = make('input');
    input.type = 'search';
    input.placeholder = 'find a layer';
    input.setAttribute('aria-label', 'find a layer');
    const said = make('span', '', 'dim');
    said.setAttribute('aria-live', 'polite');
    let hits = [];
    let at = 0;
    const goTo = () => {
      const hit = hits[at];
      said.textContent = input.value ? (hit ? at + 1 + ' of ' : '') + hits.length + ' found' : '';
      if (!hit) return;
      const from = net.getBoundingClientRect();
      const to = hit.getBoundingClientRect();
      net.scrollBy(to.left - from.left - from.width / 2 + to.width / 2, to.top - from.top - from.height / 3);
    };
    const find = () => {
      const wanted = input.value.toLowerCase();
      hits = [];
      at = 0;
      for (const box of boxes) {
        const isHit = wanted !== '' && box.textContent.toLowerCase().includes(wanted);
        box.classList.toggle('hit', isHit);
        box.classList.toggle('off', wanted !== '' && !isHit);
        if (isHit) hits.push(box);
      }
      goTo();
    };
    input.addEventListener('input', find);
    input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || hits.length === 0) return;
      event.preventDefault();
      at = (at + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
      goTo();
    });
    const width = svg.width.baseVal.value;
    const height = svg.height.baseVal.value;
    let zoom = 1;
    const size = (next) => {
      zoom = Math.min(4, Math.max(0.1, next));
      svg.setAttribute('width', width * zoom);
      svg.setAttribute('height', height * zoom);
      net.dataset.zoom = zoom;
    };
    // What is at a point stays there.
    const sizeAt = (next, x, y) => {
      const before = zoom;
      size(next);
      const by = zoom / before;
      net.scrollLeft = (net.scrollLeft + x) * by - x;
      net.scrollTop = (net.scrollTop + y) * by - y;
    };
    const sizeMiddle = (next) => sizeAt(next, net.clientWidth / 2, net.clientHeight / 2);
    net.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = net.getBoundingClientRect();
      sizeAt(zoom * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    const button = (text, label, act) => {
      const made = make('button', text);
      made.type = 'button';
      made.setAttribute('aria-label', text + ' ' + label);
      made.addEventListener('click', act);
      return made;
    };
    tools.append(
      input,
      button('−', 'smaller', () => sizeMiddle(zoom / 1.25)),
      button('+', 'larger', () => sizeMiddle(zoom * 1.25)),
      button('Fit', 'the width', () => size(Math.min(1, (net.clientWidth - 28) / width))),
      button('1:1', 'full size', () => size(1)),
      said,
    );
    net.before(tools);
    // A little too wide is made to fit; what is far too wide begins at its first layer.
    const room = net.clientWidth - 28;
    if (net.dataset.zoom) size(Number(net.dataset.zoom));
    else if (width > room && width < 1.6 * room) size(room / width);
    const start = boxes.find((box) => box.querySelector(':scope > rect.box'));
    if (start) {
      const [from, to] = [net.getBoundingClientRect(), start.getBoundingClientRect()];
      net.scrollLeft = to.left - from.left - from.width / 2 + to.width / 2;
    }
  }
}
`;

/** The one script of all pages. */
export const PAGE_SCRIPT = `
'use strict';
(() => {
  ${ENHANCE}
  const theme = document.createElement('button');
  theme.textContent = 'Dark / light';
  theme.className = 'theme';
  theme.type = 'button';
  theme.addEventListener('click', () => {
    const page = document.documentElement;
    const isDark = page.dataset.theme
      ? page.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    page.dataset.theme = isDark ? 'light' : 'dark';
  });
  document.querySelector('header').append(theme);
  enhance(document);
})();
`;
