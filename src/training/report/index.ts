export { chartSvg, type ChartOptions, type Level, type Series } from './chart.js';
export { runCharts, saveCurves, saveRunCurves, type CurveLevels } from './curves.js';
export { writePage, type Block, type Figure, type Page, type Section } from './page.js';
export { writeReport } from './run-report.js';
